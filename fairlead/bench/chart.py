"""Charts as SVG, drawn here so that a report needs no script and no network."""

from collections.abc import Iterator, Sequence
from html import escape
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


def line_chart(lines: Sequence[Line], unit: str) -> str:
    """Lines over a common x axis that starts at the smallest x and a y axis that starts at nothing."""
    xs = [x for line in lines for x, _ in line.points]
    low, high = min(xs, default=0.0), max(xs, default=1.0)
    most = max((y for line in lines for _, y in line.points), default=0.0) or 1.0
    span = (high - low) or 1.0
    parts = list(_frame(most, ""))
    for place in range(_LABELS):
        share = place / (_LABELS - 1)
        label = f"{low + share * span:.3g}"
        if place < _LABELS - 1:
            parts.append(_text(_LEFT + share * (_WIDTH - _LEFT - 20), _HEIGHT - 12, label))
        else:
            parts.append(_text(_WIDTH, _HEIGHT - 12, f"{label} {unit}", anchor="end"))
    for colour, line in zip(_COLOURS, lines, strict=False):
        points = " ".join(
            f"{_LEFT + (x - low) / span * (_WIDTH - _LEFT - 20):.1f},{_TOP + _plot_height() * (1 - y / most):.1f}"
            for x, y in line.points
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return _svg(parts)


def _frame(most: float, unit: str) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        y = _TOP + _plot_height() * (1 - tick / _TICKS)
        yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 6, y + 4, f"{most * tick / _TICKS:.3g} {unit}".rstrip(), anchor="end")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _plot_height() -> float:
    return _HEIGHT - _TOP - _BOTTOM


def _svg(parts: Sequence[str]) -> str:
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg {size} xmlns="http://www.w3.org/2000/svg" role="img">{"".join(parts)}</svg>'
