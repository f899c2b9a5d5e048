"""What the demonstration has seen so far, and how it looks in a terminal."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fairlead.mesh.traffic import Traffic

_TOLERANCE: Final = 0.08
_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class Split:
    """A traffic split: the share of v1 that was asked for, and what each path gave (None: not yet measured)."""

    wanted: float
    through_gateway: float | None = None
    through_sidecar: float | None = None

    @property
    def holds(self) -> bool:
        """Whether each path gave what was asked for, as far as it was measured before somebody had seen enough.

        Chance allows for some difference in a few hundred requests.
        """
        measured = (self.through_gateway, self.through_sidecar)
        return all(share is None or abs(share - self.wanted) <= _TOLERANCE for share in measured)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the endpoints: seconds from writing the file to the last ACK, and to the first request served."""

    what: str
    acknowledged: float | None
    served: float | None


@dataclass(slots=True)
class Scoreboard:
    """The state of the demonstration; written by the story, read by the display."""

    gateway: Traffic
    sidecar: Traffic
    scene: str = "starting"
    endpoints: int = 0
    splits: list[Split] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def failed(self) -> int:
        """Requests that failed, on any path."""
        return len(self.gateway.failed) + len(self.sidecar.failed)

    @property
    def holds(self) -> bool:
        """Whether everything that was shown went as it should."""
        answered = bool(self.gateway.answers) and bool(self.sidecar.answers)
        measured = all(change.acknowledged is not None for change in self.changes)
        return answered and measured and self.failed == 0 and all(split.holds for split in self.splits)

    def note(self, what: str) -> None:
        """Remember a line of the story."""
        self.recent.append(what)

    def render(self) -> RenderableType:
        """The live view."""
        return Group(
            Text(f"Fairlead demo: {self.scene}", style="bold"),
            self._traffic_table(),
            self._split_table(),
            self._change_table(),
            *(Text(f"  {line}", style="dim") for line in self.recent),
        )

    def summary(self) -> RenderableType:
        """What is printed at the end."""
        verdict = (
            Text("everything held", style="bold green") if self.holds else Text("NOT as it should", style="bold red")
        )
        return Group(self._traffic_table(), self._split_table(), self._change_table(), verdict)

    def _traffic_table(self) -> Table:
        table = _table("Traffic", "path", "requests", "failed", "median latency", "endpoints seen")
        for path, traffic in (("gateway -> shop", self.gateway), ("sidecar -> shop", self.sidecar)):
            latencies = [answer.latency for answer in traffic.answers[-500:]]
            table.add_row(
                path,
                f"{len(traffic):,}",
                Text(str(len(traffic.failed)), style="red" if traffic.failed else "green"),
                milliseconds(median(latencies) if latencies else None),
                str(len(traffic.by_instance())),
            )
        return table

    def _split_table(self) -> Table:
        table = _table("Traffic split (share of v1)", "asked for", "through the gateway", "through the sidecar")
        for split in self.splits[-5:]:
            measured = (split.through_gateway, split.through_sidecar)
            table.add_row(f"{split.wanted:.0%}", *("..." if share is None else f"{share:.1%}" for share in measured))
        return table

    def _change_table(self) -> Table:
        table = _table(f"Scaling ({self.endpoints} ready now)", "change", "file to ACK", "file to first request served")
        for change in self.changes[-5:]:
            table.add_row(change.what, milliseconds(change.acknowledged), milliseconds(change.served))
        if len(self.changes) > 1:
            acknowledged = _median(change.acknowledged for change in self.changes)
            served = _median(change.served for change in self.changes)
            table.add_row("median", milliseconds(acknowledged), milliseconds(served), style="bold")
        return table


def milliseconds(seconds: float | None) -> str:
    """A time for people; a dash for none."""
    return "-" if seconds is None else f"{seconds * 1e3:.1f} ms"


def _median(samples: Iterable[float | None]) -> float | None:
    present: Iterator[float] = (sample for sample in samples if sample is not None)
    known = list(present)
    return median(known) if known else None


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold cyan")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left")
    return table
