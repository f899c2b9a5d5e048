"""Numbers that survive translation: every change carries one, as an address that Envoy's resources repeat verbatim.

The addresses are those of 198.18.0.0/15, which RFC 2544 sets aside for benchmarks. Nothing ever calls them.
"""

import re
from collections.abc import Iterable
from typing import Final

MARKERS: Final = 1 << 17
"""How many changes can be told apart in one run."""

_PATTERN: Final = re.compile(rb"198\.(1[89])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_FIRST: Final = 18


def marker(number: int) -> str:
    """The address that stands for a change. ValueError when there are no more."""
    if not 0 <= number < MARKERS:
        raise ValueError(f"a run has at most {MARKERS:,} changes; shorten it, or lower its rate")
    return f"198.{_FIRST + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def find_markers(body: bytes) -> Iterable[int]:
    """The numbers of the changes that can be seen in encoded resources, repeated as often as they stand there."""
    for second, third, fourth in _PATTERN.findall(body):
        yield (int(second) - _FIRST) << 16 | int(third) << 8 | int(fourth)
