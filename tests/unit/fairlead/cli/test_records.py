"""Options that are fields of a record."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from fairlead.cli.records import expand_records


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(help="How wide.")]
    deep: Annotated[bool, typer.Option("--deep")] = False


def test_fields_become_options() -> None:
    told: list[tuple[str, Size]] = []

    def draw(*, name: Annotated[str, typer.Option()] = "box", size: Size) -> None:
        """Draw it."""
        told.append((name, size))

    app = typer.Typer()
    app.command()(expand_records(draw))
    runner = CliRunner()
    assert runner.invoke(app, ["--width", "3", "--deep"]).exit_code == 0
    assert told == [("box", Size(3, deep=True))]
    assert runner.invoke(app, []).exit_code == 2
    help_text = runner.invoke(app, ["--help"]).output
    assert "Draw it." in help_text
    assert "How wide." in help_text
