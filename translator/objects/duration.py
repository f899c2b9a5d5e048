"""A length of time as Istio's YAML spells it: Go's and protobuf's text forms, held as integer nanoseconds."""

import re
from typing import Final, Self

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
# Go's time.Duration is a signed 64-bit count of nanoseconds.
_LIMIT: Final = 1 << 63


class Duration(int):
    """A duration in nanoseconds; an ``int``, so that it compares, sorts and hashes as one."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The duration that ``text`` spells: "1.5s", "100ms", "1h30m", "-1s", "0".

        Raises ValueError for anything that Go's ``time.ParseDuration`` refuses.
        """
        unsigned = text[1:] if text[:1] in ("+", "-") else text
        nanoseconds = 0 if unsigned == "0" else _sum_of_parts(unsigned, text)
        if nanoseconds >= _LIMIT:
            raise ValueError(f"duration {text!r} is too long")
        return cls(-nanoseconds if text[0] == "-" else nanoseconds)

    @classmethod
    def of(cls, *, seconds: int = 0, milliseconds: int = 0) -> Self:
        """The duration of that many seconds and milliseconds."""
        return cls(seconds * 1_000_000_000 + milliseconds * 1_000_000)

    @property
    def seconds(self) -> int:
        """Whole seconds, truncated toward zero as protobuf's Duration has it."""
        return int(self) // 1_000_000_000 if self >= 0 else -(-int(self) // 1_000_000_000)

    @property
    def nanos(self) -> int:
        """What is left beside ``seconds``; it has the sign of the duration."""
        return int(self) - self.seconds * 1_000_000_000

    def __str__(self) -> str:
        whole, fraction = divmod(abs(int(self)), 1_000_000_000)
        digits = f".{fraction:09}".rstrip("0").rstrip(".")
        return f"{'-' if self < 0 else ''}{whole}{digits}s"

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


def _sum_of_parts(unsigned: str, text: str) -> int:
    total, position = 0, 0
    while position < len(unsigned) or not unsigned:
        part = _PART.match(unsigned, position)
        if part is None or not (part[1] or part[2]):
            raise ValueError(f"invalid duration {text!r}: expected a number with a unit, such as 1.5s or 1h30m")
        unit = _UNITS[part[3]]
        fraction = part[2] or ""
        total += int(part[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        position = part.end()
    return total
