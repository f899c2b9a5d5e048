"""``fairlead bench``: how fast a control plane is, this one or any other."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fairlead.cli.bench_options import (
    BenchChange,
    BenchOutput,
    BenchProtocol,
    LoadOptions,
    OutputOptions,
    ProxyOptions,
    SubjectOptions,
)
from fairlead.cli.options import fail
from fairlead.cli.records import expand_records

if TYPE_CHECKING:
    from fairlead.bench.plan import Peer, Plan
    from fairlead.bench.result import Result

_HELP: Final = """Measure how fast a control plane is: this one (--self), or any ADS server (--target HOST:PORT).

`fairlead bench push --self`: one change at a time, 1,000 services, ten sidecars

`fairlead bench fanout --self --report fanout.html`: 1,000 sidecars get each change; with charts

`fairlead bench churn --self --sidecars 200 --compare`: beside go-control-plane and others, with ratios

`fairlead bench connect --self --gateways 10 --protocol sotw`: 1,000 sidecars and ten gateways come at once

`fairlead bench load --config-dir mesh/ --yaml`: then start a control plane of another kind on mesh/, and

`fairlead bench push --target 127.0.0.1:15010 --config-dir mesh/ --yaml` measures that
"""

Change = Annotated[list[BenchChange], typer.Option(help="What is changed; may be repeated.")]
Changes = Annotated[int, typer.Option(min=1, help="How many changes of each kind.")]


def build_app() -> typer.Typer:
    """The modes as commands."""
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help=_HELP,
    )
    for command in (push, fanout, churn, connect, memory, load):
        app.command(command.__name__)(expand_records(command))
    return app


def push(
    *,
    change: Change = [BenchChange.ENDPOINT],  # noqa: B006 - typer copies it
    changes: Changes = 200,
    envoy: Annotated[
        bool, typer.Option("--envoy", help="With --self: a real Envoy connects too; its ACKs are told apart.")
    ] = False,
    subject: SubjectOptions,
    load: LoadOptions,
    proxies: ProxyOptions,
    output: OutputOptions,
) -> None:
    """One change at a time, while nothing else goes on: how long until proxies have acknowledged it.

    `fairlead bench push --self` changes endpoints; ten sidecars know all of 1,000 services

    `fairlead bench push --self --change endpoint --change weight --change service` tells the three apart

    `fairlead bench push --self --envoy --sidecars 1` also tells when a real Envoy has acknowledged

    `fairlead bench push --target 127.0.0.1:15010 --config-dir mesh/` measures a server that reads mesh/
    """
    _report(_plan("push", 10, (subject, load, proxies), kinds=change, changes=changes, envoy=envoy), output)


def fanout(
    *,
    change: Change = [BenchChange.ENDPOINT],  # noqa: B006 - typer copies it
    changes: Changes = 50,
    subject: SubjectOptions,
    load: LoadOptions,
    proxies: ProxyOptions,
    output: OutputOptions,
) -> None:
    """As push, with a thousand sidecars: how long until the last one has acknowledged.

    `fairlead bench fanout --self` changes endpoints that concern every sidecar

    `fairlead bench fanout --self --scoped --namespaces 100` changes endpoints that concern ten of them
    """
    _report(_plan("fanout", 1_000, (subject, load, proxies), kinds=change, changes=changes), output)


def churn(
    *,
    change: Change = [BenchChange.ENDPOINT],  # noqa: B006 - typer copies it
    rate: Annotated[float, typer.Option(min=0.1, help="Changes per second.")] = 100.0,
    duration: Annotated[float, typer.Option(min=1, help="Seconds that it goes on.")] = 60.0,
    subject: SubjectOptions,
    load: LoadOptions,
    proxies: ProxyOptions,
    output: OutputOptions,
) -> None:
    """Many changes per second for a while, as in a rolling restart: whether the control plane keeps up.

    `fairlead bench churn --self` replaces 100 endpoints per second for a minute, before 500 sidecars

    `fairlead bench churn --self --change status` writes what no proxy may ever notice
    """
    _report(_plan("churn", 500, (subject, load, proxies), kinds=change, rate=rate, duration=duration), output)


def connect(
    *,
    over: Annotated[float, typer.Option(min=0, help="Seconds within which all of them connect.")] = 0.0,
    subject: SubjectOptions,
    load: LoadOptions,
    proxies: ProxyOptions,
    output: OutputOptions,
) -> None:
    """Many proxies come at once: how long until all are configured, and what that takes.

    `fairlead bench connect --self` lets 1,000 sidecars come at once, as after a restart of the control plane

    `fairlead bench connect --self --over 10` gives them ten seconds
    """
    _report(_plan("connect", 1_000, (subject, load, proxies), over=over), output)


def memory(*, subject: SubjectOptions, load: LoadOptions, proxies: ProxyOptions, output: OutputOptions) -> None:
    """What the load and the proxies cost in memory, and how long the load takes to read.

    `fairlead bench memory --self --services 10000 --sidecars 1` for 100,000 endpoints

    `fairlead bench memory --self` for 10,000 endpoints and 1,000 sidecars
    """
    _report(_plan("memory", 1_000, (subject, load, proxies)), output)


def load(
    *,
    config_dir: Annotated[Path | None, typer.Option(file_okay=False, help="The folder that is filled.")] = None,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="A cluster is filled, without Pods.")] = False,
    kubeconfig: Annotated[str, typer.Option(metavar="FILE", help="How to reach it; implies --kubernetes.")] = "",
    load: LoadOptions,
) -> None:
    """Only write the load of objects, for a control plane of another kind to start with. It is the same every time.

    `fairlead bench load --config-dir mesh/ --yaml --services 5000`

    `fairlead bench load --kubernetes`
    """
    from fairlead.bench.failure import BenchError
    from fairlead.bench.filling import write_load

    to_cluster = kubernetes or bool(kubeconfig)
    if to_cluster == (config_dir is not None):
        fail("where is the load to be written? --config-dir FOLDER, or --kubernetes")
    shape = load.shape(pods=not to_cluster)
    try:
        count = asyncio.run(write_load(shape, config_dir or Path(), kubeconfig if to_cluster else None, yaml=load.yaml))
    except (BenchError, OSError) as error:
        fail(str(error), code=1)
    typer.echo(f"{count:,} objects of {shape.services:,} services are in {config_dir or 'the cluster'}")


def _plan(
    mode: str,
    sidecars: int,
    options: tuple[SubjectOptions, LoadOptions, ProxyOptions],
    *,
    kinds: Sequence[BenchChange] = (),
    **more: Any,  # noqa: ANN401 - fields of the plan
) -> "Plan":
    from fairlead.bench.load import ChangeKind
    from fairlead.bench.plan import Mode, Plan

    subject, load, proxies = options
    follows_cluster = subject.kubernetes or bool(subject.kubeconfig)
    return Plan(
        mode=Mode(mode),
        shape=load.shape(pods=not follows_cluster),
        kubeconfig=subject.kubeconfig if follows_cluster else None,
        sidecars=sidecars if proxies.sidecars is None else proxies.sidecars,
        gateways=proxies.gateways,
        connections=proxies.connections,
        processes=proxies.processes,
        delta=proxies.protocol is BenchProtocol.DELTA,
        target=subject.endpoint(),
        folder=subject.config_dir,
        yaml=load.yaml,
        timeout=subject.timeout,
        kinds=tuple(ChangeKind(each.value) for each in kinds),
        **more,
    )


def _report(plan: "Plan", options: OutputOptions) -> None:
    import json

    import msgspec
    from rich.console import Console

    from fairlead.bench.comparison import document
    from fairlead.bench.html import render_page
    from fairlead.bench.table import render_comparison, render_result

    results = _run(msgspec.structs.replace(plan, peers=tuple(_peers(options)), poll=options.poll))
    if options.report is not None:
        options.report.write_text(render_page(results))
    if options.output is BenchOutput.JSON:
        typer.echo(json.dumps(document(results), indent=2))
        return
    for result in results:
        Console().print(render_result(result))
    if any(not each.failure for each in results[1:]):
        Console().print(render_comparison(results))


def _peers(options: OutputOptions) -> "Iterator[Peer]":
    from fairlead.bench.peers.servers import peer_command
    from fairlead.bench.plan import Peer

    wanted = [Peer(each.value) for each in options.peer or ()]
    for peer in wanted or (Peer if options.compare else ()):
        if peer_command(peer) is not None:
            yield peer
        elif wanted:
            fail(f"{peer} is not built: 'make bench-peers' in a checkout of Fairlead builds it (Go's with Go)")
        else:
            typer.echo(f"without {peer}, which is not built (make bench-peers)", err=True)


def _run(plan: "Plan") -> "list[Result]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from fairlead.bench.failure import BenchError
    from fairlead.bench.measuring import measure
    from fairlead.mesh.envoy import EnvoyMissingError
    from fairlead.mesh.process import ProcessEndedError
    from fairlead.mesh.waiting import DeadlineExceededError

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0)
        try:
            return asyncio.run(
                measure(plan, lambda what, share: progress.update(task, description=what, completed=share))
            )
        except (BenchError, EnvoyMissingError, ProcessEndedError, DeadlineExceededError, ValueError) as error:
            progress.stop()
            fail(str(error), code=1)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
