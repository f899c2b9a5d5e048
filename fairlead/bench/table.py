"""A result as people read it in a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fairlead.bench.comparison import compare
from fairlead.bench.result import Result


def render_result(result: Result) -> RenderableType:
    """Tables of everything that was found."""
    if result.failure:
        return Text(f"{result.mode} on {result.server} failed: {result.failure}", style="red")
    sizes = ", ".join(f"{value:,} {name}" if _is_count(value) else f"{name}: {value}" for name, value in _told(result))
    parts: list[RenderableType] = [Text(f"{result.mode} on {result.server}: {sizes}", style="bold")]
    if any(each.samples for each in result.distributions):
        parts.append(_distributions(result))
    if result.figures:
        parts.append(_pairs(("measure", "value"), ((each.name, str(each)) for each in result.figures)))
    if result.stages:
        total = sum(each.milliseconds for each in result.stages) or 1.0
        rows = (
            (each.name, f"{each.milliseconds:.2f} ms", f"{each.milliseconds / total:.0%}") for each in result.stages
        )
        parts.append(_pairs(("where the median change spent its time", "p50", "share"), rows))
    if result.held:
        # Read by people who look for the cause: a table would cut the calls off.
        parts.append(Text("the event loop was held up by what it computed itself, the newest first:"))
        parts += (Text(f"{each.ms:6.1f} ms ({each.cpu_ms:.1f} of its own): {each}") for each in result.held)
    parts += (Text(f"Note: {each}.", style="yellow") for each in result.warnings)
    return Group(*parts)


def render_comparison(results: Sequence[Result]) -> RenderableType:
    """The first result beside the others: how many times its value theirs are (over 1: the first one is better)."""
    ours, *others = results
    table = _table(("compared; (times ours)", ours.server, *(other.server for other in others if not other.failure)))
    for row in compare(ours, others):
        cells = (f"{theirs} ({ratio:.2f})" for theirs, ratio in zip(row.theirs, row.ratios, strict=True))
        table.add_row(row.name, str(row.ours), *cells)
    return table


def _distributions(result: Result) -> Table:
    table = _table(("milliseconds", "p50", "p90", "p99", "max", "samples"))
    for distribution in result.distributions:
        if distribution.samples:
            found = distribution.summary()
            figures = (f"{found[name]:.2f}" for name in ("p50", "p90", "p99", "max"))
            table.add_row(distribution.name, *figures, f"{found['count']:,}")
    return table


def _pairs(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = _table(columns)
    for row in rows:
        table.add_row(*row)
    return table


def _table(columns: tuple[str, ...]) -> Table:
    table = Table()
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _told(result: Result) -> Iterable[tuple[str, object]]:
    return ((name.replace("_", " "), value) for name, value in result.settings.items())


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
