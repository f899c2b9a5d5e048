"""The ``fairlead`` command: its subcommands and what they share."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer

from fairlead.cli import bench, bootstrap, demo, iptables, serve, translate, validate

# In the order in which help lists them.
COMMANDS: Final[tuple[tuple[str, Callable[..., Any]], ...]] = (
    ("serve", serve.serve),
    ("demo", demo.demo),
    ("bootstrap", bootstrap.bootstrap),
    ("iptables", iptables.iptables),
    ("translate", translate.translate),
    ("validate", validate.validate),
)

_EPILOG = """
**Start here**

`fairlead serve --config-dir mesh/` follows a folder of YAML and serves it to Envoys

`fairlead bootstrap gateway --namespace default --name gw --ip 127.0.0.2 > gw.yaml && envoy -c gw.yaml` starts one

`fairlead translate --config-dir mesh/ sidecar --namespace default` shows what a sidecar would get

`fairlead validate -f mesh/` says what is wrong with the YAML, before anybody is served

Exit codes: 0 fine, 1 problems found in the input, 2 wrong usage.
"""


def build_app() -> typer.Typer:
    """The command line with every subcommand."""
    app = typer.Typer(
        name="fairlead",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=_EPILOG,
    )
    app.callback()(_root)
    for name, command in COMMANDS:
        app.command(name)(command)
    app.add_typer(bench.build_app(), name="bench")
    return app


def main() -> None:
    """Run the command line and exit the process."""
    build_app()(prog_name="fairlead")


def _root(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=lambda wanted: _print_version(wanted=wanted),
            is_eager=True,
        ),
    ] = False,
) -> None:
    """A control plane for Envoy: Kubernetes and Istio resources in, xDS out, in milliseconds."""


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"fairlead {version('fairlead')}")
        raise typer.Exit
