"""A result as one HTML file that needs nothing else: figures, distributions, and what happened over time."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from fairlead.bench.chart import Line, bar_chart, line_chart, short_number
from fairlead.bench.comparison import compare
from fairlead.bench.result import SMALLEST, Distribution, Result

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2733; --dim: #68788a; --rule: #d9e0e7; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e9f0; --dim: #94a3b3; --rule: #33404d; --paper: #131a21; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } p, figcaption { color: var(--dim); }
table { border-collapse: collapse; } th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--rule);
  text-align: right; font-variant-numeric: tabular-nums; } th:first-child, td:first-child { text-align: left; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 1rem 0 0; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--dim); font-size: 11px; }
.axis { stroke: var(--rule); } .failure { color: #c62828; }
.warning { color: #b26a00; }
"""


def render_page(results: Sequence[Result]) -> str:
    """The whole page."""
    ours, *others = results
    title = f"fairlead bench {ours.mode}: {' and '.join(each.server for each in results)}"
    sizes = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in ours.settings.items())
    parts = [f"<h1>{escape(title)}</h1><p>{escape(sizes)}</p>"]
    if others:
        parts.append(_comparison(ours, others))
    parts += (_section(result) for result in results)
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _section(result: Result) -> str:
    heading = f"<h2>{escape(result.server)}</h2>"
    if result.failure:
        return f'{heading}<p class="failure">{escape(result.failure)}</p>'
    parts = [heading, *(f'<p class="warning">Note: {escape(each)}.</p>' for each in result.warnings)]
    told = [each for each in result.distributions if each.samples]
    if told:
        columns = ("milliseconds", "p50", "p90", "p99", "max", "samples")
        parts.append(_table(columns, map(_summary, told)))
        parts.append('<div class="charts">' + "".join(map(_charts, told)) + "</div>")
    if len(result.seconds) > 1:
        parts.append('<div class="charts">' + _throughput(result) + "</div>")
    if result.stages:
        names, values = [each.name for each in result.stages], [each.milliseconds for each in result.stages]
        parts.append(_figure("Where the median change spent its time, ms", bar_chart(names, values, "ms")))
    parts.append(_table(("measure", "value"), ((each.name, str(each)) for each in result.figures)))
    if result.held:
        heads = ("held up, ms", "of its own, ms", "innermost calls")
        parts.append(_table(heads, ((f"{each.ms:.1f}", f"{each.cpu_ms:.1f}", str(each)) for each in result.held)))
    return "\n".join(parts)


def _summary(distribution: Distribution) -> tuple[str, ...]:
    found = distribution.summary()
    return (distribution.name, *(f"{found[name]:.2f}" for name in ("p50", "p90", "p99", "max")), f"{found['count']:,}")


def _charts(distribution: Distribution) -> str:
    """Its histogram and its cumulative distribution."""
    edges, counts = distribution.histogram()
    labels = list(map(short_number, edges))
    name = escape(distribution.name)
    ordered = sorted(distribution.samples)
    stride = max(1, len(ordered) // 400)
    points = [(max(each, SMALLEST), (place + 1) / len(ordered)) for place, each in enumerate(ordered)][::stride]
    points.append((max(ordered[-1], SMALLEST), 1.0))
    return _figure(f"{name}: how many, by ms", bar_chart(labels, [float(each) for each in counts], "")) + _figure(
        f"{name}: share within so many ms", line_chart([Line("share", points)], "ms", logarithmic=True)
    )


def _throughput(result: Result) -> str:
    lines = (
        ("Changes per second", [(each.at, float(each.changes)) for each in result.seconds]),
        ("Responses per second", [(each.at, float(each.responses)) for each in result.seconds]),
        ("Megabytes per second", [(each.at, each.bytes / 1e6) for each in result.seconds]),
    )
    return "".join(_figure(name, line_chart([Line(name, points)], "s")) for name, points in lines)


def _comparison(ours: Result, others: Sequence[Result]) -> str:
    measured = [each for each in others if not each.failure]
    rows = (
        (
            row.name,
            str(row.ours),
            *(f"{theirs} ({ratio:.2f})" for theirs, ratio in zip(row.theirs, row.ratios, strict=True)),
        )
        for row in compare(ours, measured)
    )
    columns = ("compared; in brackets: times ours", ours.server, *(each.server for each in measured))
    return "<h2>Side by side</h2>" + _table(columns, rows)


def _figure(caption: str, content: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{content}</figure>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
