"""Charts as SVG, drawn here so that a report needs no script and no network."""

from collections.abc import Iterator, Sequence
from html import escape
from math import log
from typing import Final

import msgspec

_WIDTH: Final = 460
_HEIGHT: Final = 200
_LEFT: Final = 52
_BOTTOM: Final = 30
_TOP: Final = 10
_COLOURS: Final = ("#2f7ebc", "#e07b39", "#4a9d5b", "#a05aa0")
_TICKS: Final = 4
_LABELS: Final = 6
# From here on three digits are whole.
_WHOLE: Final = 100


class Line(msgspec.Struct, frozen=True):
    """Points (x, y) of one line."""

    name: str
    points: list[tuple[float, float]]


def bar_chart(labels: Sequence[str], values: Sequence[float], unit: str) -> str:
    """One bar for each label."""
    most = max(values, default=0.0) or 1.0
    step = (_WIDTH - _LEFT) / max(1, len(values))
    skip = max(1, len(labels) // _LABELS) if len(labels) > 2 * _LABELS else 1
    parts = list(_frame(most, unit))
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        x, height = _LEFT + place * step, _plot_height() * value / most
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{_TOP + _plot_height() - height:.1f}" width="{max(1.0, step - 2):.1f}" '
            f'height="{height:.1f}" fill="{_COLOURS[0]}"><title>{escape(label)}: {value:.4g} {unit}</title></rect>'
        )
        if place % skip == 0:
            parts.append(_text(x + step / 2, _HEIGHT - 12, label))
    return _svg(parts)


def line_chart(lines: Sequence[Line], unit: str, *, logarithmic: bool = False) -> str:
    """Lines over a common x axis that starts at the smallest x and a y axis that starts at nothing.

    ``logarithmic``: equal steps along x are equal ratios, as latencies want; all x are above nothing then.
    """
    xs = [x for line in lines for x, _ in line.points]
    low, high = min(xs, default=0.0), max(xs, default=1.0)
    most = max((y for line in lines for _, y in line.points), default=0.0) or 1.0
    width = _WIDTH - _LEFT - 20

    def place(x: float) -> float:
        if high == low:
            return float(_LEFT)
        share = log(x / low) / log(high / low) if logarithmic else (x - low) / (high - low)
        return _LEFT + share * width

    parts = list(_frame(most, ""))
    for step in range(_LABELS):
        share = step / (_LABELS - 1)
        x = low * (high / low) ** share if logarithmic else low + share * (high - low)
        last = step == _LABELS - 1
        label, anchor = (f"{short_number(x)} {unit}", "end") if last else (short_number(x), "middle")
        parts.append(_text(_WIDTH if last else _LEFT + share * width, _HEIGHT - 12, label, anchor))
    for colour, line in zip(_COLOURS, lines, strict=False):
        points = " ".join(f"{place(x):.1f},{_TOP + _plot_height() * (1 - y / most):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return _svg(parts)


def _frame(most: float, unit: str) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        y = _TOP + _plot_height() * (1 - tick / _TICKS)
        yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 6, y + 4, f"{short_number(most * tick / _TICKS)} {unit}".rstrip(), anchor="end")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def short_number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.3g}"


def _plot_height() -> float:
    return _HEIGHT - _TOP - _BOTTOM


def _svg(parts: Sequence[str]) -> str:
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg {size} xmlns="http://www.w3.org/2000/svg" role="img">{"".join(parts)}</svg>'
