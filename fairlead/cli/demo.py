"""``fairlead demo``: real Envoys, sample services and load on this machine, with a live view."""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

_REFRESHES_PER_SECOND: Final = 4


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the story once, print a summary, and end.")] = False,
    netns: Annotated[
        bool, typer.Option("--netns", help="Pods are network namespaces with interception (Linux, as root).")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep configuration, bootstraps and logs in this folder.")
    ] = None,
) -> None:
    """Show what Fairlead does, with real Envoys and without a cluster.

    Starts the control plane on a folder of YAML, a gateway, a sidecar and a shop with two versions; puts load
    on both paths; then moves the weights between the versions and scales one of them, by editing the YAML.
    Exits with 0 only if every split held and no request failed.

    `fairlead demo` goes on until Ctrl-C

    `fairlead demo --once` takes about half a minute and ends with a summary

    `fairlead demo --netns` plays it with real interception: each pod has its own network, iptables rules and sidecar

    `fairlead demo --keep ./demo` leaves what it wrote, and the logs, for you to look at
    """
    with contextlib.ExitStack() as resources:
        folder = keep or Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="fairlead-demo-")))
        try:
            held = asyncio.run(_run(folder, once=once, netns=netns))
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
    raise typer.Exit(0 if held else 1)


async def _run(folder: Path, *, once: bool, netns: bool) -> bool:
    from rich.console import Console
    from rich.live import Live

    from fairlead.demo.story import stage
    from fairlead.iptables.apply import InterceptionError
    from fairlead.mesh.envoy import EnvoyMissingError
    from fairlead.mesh.netns import NamespaceError

    console = Console()
    try:
        async with stage(folder, lambda step: console.print(f"[dim]{step} ...[/dim]"), intercepted=netns) as story:
            board = story.board
            view = Live(
                console=console, get_renderable=board.render, refresh_per_second=_REFRESHES_PER_SECOND, transient=True
            )
            try:
                with view:
                    await (story.play() if once else story.play_for_ever())
            finally:
                # Also after Ctrl-C: what has been seen until then.
                console.print(board.summary())
    except (EnvoyMissingError, NamespaceError, InterceptionError) as missing:
        console.print(missing, style="red", markup=False)
        return False
    return board.holds
