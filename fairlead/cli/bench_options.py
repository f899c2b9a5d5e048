"""The options that the modes of ``fairlead bench`` share."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fairlead.cli.options import fail, parse_address

if TYPE_CHECKING:
    from fairlead.bench.load import LoadShape
    from fairlead.bench.messages import Endpoint

_WHOM: Final = "The control plane"
_LOAD: Final = "The load of objects"
_PROXIES: Final = "The simulated proxies"
_OUTPUT: Final = "Output"


class BenchProtocol(StrEnum):
    """The variants of xDS."""

    DELTA = "delta"
    SOTW = "sotw"


class BenchOutput(StrEnum):
    """How the result is written to standard output."""

    TABLE = "table"
    JSON = "json"


class BenchPeer(StrEnum):
    """What we can be compared with."""

    BARE = "grpc.aio"
    GO_CONTROL_PLANE = "go-control-plane"
    GO_CONTROL_PLANE_LINEAR = "go-control-plane-linear"
    SOVEREIGN = "sovereign"


class BenchChange(StrEnum):
    """What is changed."""

    ENDPOINT = "endpoint"
    WEIGHT = "weight"
    SERVICE = "service"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class SubjectOptions:
    """What is measured."""

    self_: Annotated[
        bool, typer.Option("--self", help="Start a control plane of our own, with the load.", rich_help_panel=_WHOM)
    ] = False
    target: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Measure this ADS server.", rich_help_panel=_WHOM)
    ] = ""
    config_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="The folder that the target reads: the load and its changes are written there. With --self, where "
            "the load and the logs are kept.",
            rich_help_panel=_WHOM,
        ),
    ] = None
    kubernetes: Annotated[
        bool,
        typer.Option(
            "--kubernetes",
            help="The load is written to a cluster, without Pods, and read from there. It stays there.",
            rich_help_panel=_WHOM,
        ),
    ] = False
    kubeconfig: Annotated[
        str, typer.Option(metavar="FILE", help="How to reach the cluster; implies --kubernetes.", rich_help_panel=_WHOM)
    ] = ""
    ca: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="CA of the target's certificate: TLS.", rich_help_panel=_WHOM),
    ] = None
    certificate: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The proxies' certificate chain.", rich_help_panel=_WHOM),
    ] = None
    key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The private key of that.", rich_help_panel=_WHOM),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The proxies' bearer token.", rich_help_panel=_WHOM),
    ] = None
    timeout: Annotated[float, typer.Option(help="Seconds that a step may take.", rich_help_panel=_WHOM)] = 60.0

    def endpoint(self) -> "Endpoint | None":
        """The target; None for ourselves. Ends the command when it is not clear which."""
        from fairlead.bench.messages import Endpoint

        if self.self_ == bool(self.target):
            fail("what is to be measured? --self starts a control plane, --target HOST:PORT names one that runs")
        if not self.target:
            return None
        address = parse_address(self.target)
        return Endpoint(
            host=address.host,
            port=address.port,
            ca=str(self.ca or ""),
            certificate=str(self.certificate or ""),
            key=str(self.key or ""),
            token=self.token_file.read_text().strip() if self.token_file else "",
        )


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How much of everything."""

    services: Annotated[int, typer.Option(help="How many services.", rich_help_panel=_LOAD)] = 1_000
    endpoints: Annotated[int, typer.Option(help="Endpoints of each service.", rich_help_panel=_LOAD)] = 10
    namespaces: Annotated[int, typer.Option(help="Namespaces they are spread over.", rich_help_panel=_LOAD)] = 10
    virtual_services: Annotated[
        float, typer.Option(help="VirtualServices with weights per service, 0 to 1.", rich_help_panel=_LOAD)
    ] = 0.1
    destination_rules: Annotated[
        float, typer.Option(help="DestinationRules with subsets per service, 0 to 1.", rich_help_panel=_LOAD)
    ] = 0.1
    scoped: Annotated[
        bool, typer.Option("--scoped", help="A Sidecar limits each namespace to itself.", rich_help_panel=_LOAD)
    ] = False
    yaml: Annotated[
        bool,
        typer.Option("--yaml", help="Written as YAML instead of JSON, which is read faster.", rich_help_panel=_LOAD),
    ] = False

    def shape(self, *, pods: bool) -> "LoadShape":
        """As the generator takes it. Ends the command for what cannot be generated."""
        from fairlead.bench.load import LoadShape

        try:
            return LoadShape(
                services=self.services,
                endpoints=self.endpoints,
                namespaces=min(self.namespaces, self.services),
                virtual_services=self.virtual_services,
                destination_rules=self.destination_rules,
                scoped=self.scoped,
                pods=pods,
            )
        except ValueError as error:
            fail(str(error))


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Who connects."""

    sidecars: Annotated[
        int | None, typer.Option(help="How many sidecars.", show_default=False, rich_help_panel=_PROXIES)
    ] = None
    gateways: Annotated[int, typer.Option(help="How many gateways.", rich_help_panel=_PROXIES)] = 0
    connections: Annotated[
        int, typer.Option(help="Connections that they share; 0: each has its own.", rich_help_panel=_PROXIES)
    ] = 0
    protocol: Annotated[
        BenchProtocol, typer.Option(help="The variant of xDS that they speak.", rich_help_panel=_PROXIES)
    ] = BenchProtocol.DELTA
    processes: Annotated[int, typer.Option(min=1, help="Processes that they run in.", rich_help_panel=_PROXIES)] = 1


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How the result is told, and beside whose."""

    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Measure all peers that are built (make bench-peers) too.", rich_help_panel=_OUTPUT
        ),
    ] = False
    peer: Annotated[
        list[BenchPeer] | None,
        typer.Option(help="Measure this peer too; may be repeated.", show_default=False, rich_help_panel=_OUTPUT),
    ] = None
    poll: Annotated[
        float,
        typer.Option(
            min=0.01, help="Seconds after which proxies ask again a peer that has no streams.", rich_help_panel=_OUTPUT
        ),
    ] = 1.0
    output: Annotated[
        BenchOutput, typer.Option("-o", "--output", help="Format on standard output.", rich_help_panel=_OUTPUT)
    ] = BenchOutput.TABLE
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", dir_okay=False, help="Also written as a page.", rich_help_panel=_OUTPUT),
    ] = None
