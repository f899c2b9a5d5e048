"""``fairlead bootstrap``: the file with which a stock Envoy joins the mesh."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.control_plane_tls import (
    ClientCert,
    ClientKey,
    TlsOptions,
    Token,
    TokenSecret,
    XdsName,
    XdsRoots,
    control_plane_tls,
)
from fairlead.cli.options import (
    CaptureMode,
    ProxyRole,
    TextFormat,
    fail,
    failing_on,
    parse_address,
    parse_labels,
    parse_locality,
    print_structured,
)

if TYPE_CHECKING:
    from fairlead.address import Address
    from fairlead.bootstrap import BootstrapSettings
    from fairlead.identity import ProxyIdentity


Delta = Annotated[
    bool, typer.Option("--delta/--sotw", help="Incremental xDS, or the older state-of-the-world variant.")
]


def bootstrap(
    role: Annotated[ProxyRole, typer.Argument(help="The kind of proxy.")],
    *,
    namespace: Annotated[str, typer.Option(help="Namespace of the proxy's pod.")],
    name: Annotated[str, typer.Option(help="Name of the proxy's pod.")],
    ip: Annotated[str, typer.Option(help="IP of the pod; several, separated by commas, if it has several.")],
    labels: Annotated[str, typer.Option(metavar="K=V,...", help="Labels of the pod.")] = "",
    xds: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the control plane is.")] = "127.0.0.1:15010",
    admin_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of Envoy's own admin interface.")] = 15000,
    capture: Annotated[
        CaptureMode, typer.Option(help="How traffic gets into a sidecar; none: it listens on the service ports.")
    ] = CaptureMode.REDIRECT,
    dns_capture: Annotated[
        bool, typer.Option("--dns-capture", help="The sidecar answers the DNS questions of its workload.")
    ] = False,
    delta: Delta = True,
    service_account: Annotated[str, typer.Option(help="Service account of the pod.")] = "default",
    cluster_id: Annotated[str, typer.Option(help="Name of the cluster that the pod is in.")] = "Kubernetes",
    network: Annotated[str, typer.Option(help="Name of the network that the pod is in.")] = "",
    locality: Annotated[str, typer.Option(metavar="REGION/ZONE/SUBZONE", help="Where the pod is.")] = "",
    proxyless: Annotated[
        bool, typer.Option("--proxyless", help="For an application with gRPC's own xDS instead of a sidecar.")
    ] = False,
    xds_roots: XdsRoots = None,
    xds_name: XdsName = "",
    token: Token = None,
    token_secret: TokenSecret = Path("token-sds.json"),
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    output: Annotated[TextFormat, typer.Option("-o", "--output", help="Format.")] = TextFormat.YAML,
) -> None:
    """Write the bootstrap of an Envoy: `envoy -c FILE` is then all there is to start.

    With --proxyless it is the file that a gRPC application finds by `GRPC_XDS_BOOTSTRAP`.

    `fairlead bootstrap sidecar --namespace shop --name web-1 --ip 10.1.2.3 --labels app=web --xds fairlead:15010`

    `fairlead bootstrap gateway --namespace istio-system --name gw --ip 127.0.0.2 > gw.yaml`
    """
    from fairlead.bootstrap import BootstrapSettings
    from fairlead.identity import ProxyIdentity

    tls = control_plane_tls(TlsOptions(xds_roots, xds_name, token, token_secret, client_cert, client_key))
    settings = BootstrapSettings(xds=parse_address(xds), admin_port=admin_port, delta=delta, tls=tls)
    with failing_on(ValueError):
        identity = ProxyIdentity(
            role=role.role,
            namespace=namespace,
            name=name,
            addresses=tuple(part.strip() for part in ip.split(",")),
            labels=parse_labels(labels),
            service_account=service_account,
            cluster_id=cluster_id,
            network=network,
            locality=parse_locality(locality),
            capture=capture.capture,
            answers_dns=dns_capture,
        )
    _print(identity, settings, None if proxyless else output)


def _print(identity: "ProxyIdentity", settings: "BootstrapSettings", output: TextFormat | None) -> None:
    """Print the bootstrap of an Envoy in a format, or that of an application without proxy if there is none."""
    from fairlead.bootstrap import build_bootstrap

    if output is None:
        _print_for_grpc(identity, settings.xds)
    else:
        print_structured(build_bootstrap(identity, settings), output)


def _print_for_grpc(identity: "ProxyIdentity", xds: "Address") -> None:
    from fairlead.grpc_bootstrap import build_grpc_bootstrap
    from translator.model.proxy import Role

    if identity.role is not Role.SIDECAR:
        fail("only a sidecar can be left out")
    # gRPC reads no YAML.
    print_structured(build_grpc_bootstrap(identity, xds), TextFormat.JSON)
