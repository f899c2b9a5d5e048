"""``fairlead validate``: what is wrong with YAML, before anybody is served."""

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.cli.options import fail, print_structured

if TYPE_CHECKING:
    from fairlead.finding import Finding
    from fairlead.offline import OfflineMesh
    from fairlead.sources.document import ParsedFile

_STDIN = Path("-")
# Of a table that goes to a file or another program, which have no width of their own.
_PIPE_WIDTH = 200
_COLORS = {"error": "red", "warning": "yellow", "info": "blue"}


class ReportFormat(StrEnum):
    """How findings are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def validate(
    *,
    paths: Annotated[
        list[Path], typer.Option("-f", "--filename", metavar="FILE|DIR|-", help="What to read; may be repeated.")
    ],
    mesh_config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Istio's MeshConfig, as a YAML file.")
    ] = None,
    output: Annotated[ReportFormat, typer.Option("-o", "--output", help="Format.")] = ReportFormat.TABLE,
) -> None:
    """Say what is wrong with YAML: each object by itself, and all of them together.

    `fairlead validate -f mesh/`

    `fairlead validate -f base/ -f virtual-service.yaml -o json`

    `helm template . | fairlead validate -f -`

    Files without any service among them are taken for a part of a mesh: what they refer to and do not hold is a
    warning then, not an error. The exit code is 1 if there are errors; warnings leave it at 0.
    """
    from fairlead.offline import OfflineMesh
    from fairlead.settings import SettingsError, load_settings
    from translator.diagnostics import Severity

    for path in paths:
        if path != _STDIN and not path.exists():
            raise typer.BadParameter(f"{path} does not exist", param_hint="-f")
    try:
        mesh = OfflineMesh(load_settings(mesh_config), _read(paths))
    except (SettingsError, OSError) as error:
        fail(str(error), code=1)
    findings = sorted((*mesh.findings, *mesh.analyze()), key=lambda each: each.rank)
    if output is ReportFormat.TABLE:
        _print_table(mesh, findings)
    else:
        from fairlead.cli.options import TextFormat

        print_structured(_summary(mesh, findings), TextFormat(output.value))
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


def _read(paths: Sequence[Path]) -> "Iterator[tuple[str, ParsedFile]]":
    from fairlead.offline import read_paths
    from fairlead.sources.document import parse_file

    for path in paths:
        if path == _STDIN:
            yield "stdin", parse_file(sys.stdin.buffer.read(), "stdin")
        else:
            yield from read_paths([path])


def _summary(mesh: "OfflineMesh", findings: "Sequence[Finding]") -> dict[str, Any]:
    return {
        "files": mesh.file_count,
        "objects": len(mesh.keys),
        "findings": [finding.fields() for finding in findings],
    }


def _print_table(mesh: "OfflineMesh", findings: "Sequence[Finding]") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    counted = f"{mesh.file_count} files, {len(mesh.keys)} objects"
    if not findings:
        console.print(f"[green]Nothing is wrong[/green] ({counted})")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Severity", "Where", "What"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        severity = finding.severity.value
        where = "\n".join(filter(None, (str(finding.place or ""), finding.subject if finding.key else "")))
        what = f"{f'{finding.path}: ' if finding.path else ''}{finding.message} [{finding.code}]"
        table.add_row(f"[{_COLORS[severity]}]{severity}[/]", escape(where), escape(what))
    console.print(table)
    errors = sum(finding.severity.value == "error" for finding in findings)
    console.print(f"\n{len(findings)} findings, {errors} of them errors ({counted})")
