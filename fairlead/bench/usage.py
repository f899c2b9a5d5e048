"""What a process on this machine uses, as Linux tells it."""

import os
from pathlib import Path

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Processor seconds since the start; megabytes in use now, and the most there ever were."""

    cpu: float
    memory: float
    peak: float


def usage_of(pid: int) -> Usage | None:
    """The use of a process and its children; None where that cannot be told.

    What several of them share is counted once, but for the most that there ever was: that is not known so precisely.
    """
    pids = _family(pid)
    found = [usage for each in pids if (usage := _usage_of_one(each)) is not None]
    if not found:
        return None
    return Usage(
        cpu=sum(each.cpu for each in found),
        memory=found[0].memory if len(found) == 1 else sum(map(_proportional_memory, pids)),
        peak=sum(each.peak for each in found),
    )


def processor_seconds(pid: int) -> float:
    """How long the first thread of a process has run, precisely; 0 where that cannot be told."""
    try:
        # Linux: nanoseconds on a processor; what /proc/PID/stat has comes in steps of 10 ms.
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


def _usage_of_one(pid: int) -> Usage | None:
    folder = Path("/proc") / str(pid)
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Usage(
        cpu=ticks / os.sysconf("SC_CLK_TCK"),
        memory=_kilobytes(status.get("VmRSS", "0")) / 1000 * 1.024,
        peak=_kilobytes(status.get("VmHWM", "0")) / 1000 * 1.024,
    )


def _proportional_memory(pid: int) -> float:
    """Linux: of a page that several processes map, each has its share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((_kilobytes(line.partition(":")[2]) / 1000 * 1.024 for line in lines if line.startswith("Pss:")), 0.0)


def _family(pid: int) -> list[int]:
    family = [pid]
    for each in family:
        try:
            lists = [path.read_text() for path in Path(f"/proc/{each}/task").glob("*/children")]
        except OSError:
            continue
        family += [int(child) for text in lists for child in text.split()]
    return family


def _kilobytes(text: str) -> int:
    return int(text.split(maxsplit=1)[0])
