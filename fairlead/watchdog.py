"""Watches the event loop: how late it comes to what is due, and what kept it.

A tick that is due every few milliseconds tells how late the loop is. When one is overdue, a thread looks at what the
loop's thread is doing; until then it sleeps. To tick so often is what this costs, so it is done less often while the
loop has hardly anything to do. What computes between two such ticks is then seen by the time that its thread used.
"""

import asyncio
import gc
import sys
import threading
from collections import deque
from pathlib import Path
from time import perf_counter, thread_time, time
from types import FrameType, TracebackType
from typing import Any, Final, Self

import msgspec

from fairlead.alarm import Alarm, make_alarm
from fairlead.metrics import Metrics
from fairlead.pace import Pace

BLOCKED: Final = 0.005
"""From so many seconds on, lateness counts as a block of the loop."""

_TICK: Final = 0.005
# While nothing has used as much of the processor as _STIR between two ticks for _CALM (seconds).
_CALM_TICK: Final = 0.025
_STIR: Final = 0.002
_CALM: Final = 1.0
_KEPT: Final = 50
_SHOWN_FRAMES: Final = 8
# So many seconds after a tick was due somebody looks what it is waiting for.
_OVERDUE: Final = BLOCKED / 2
# The share of a block that garbage collection has to take to be its explanation.
_MOST: Final = 0.5


class Block(msgspec.Struct, frozen=True):
    """The loop came too late by ``ms``; ``cpu_ms`` is what its thread computed meanwhile.

    Where both are the same it may not have been at a stretch: they are what was used between two ticks that were far
    apart. Much less of the second than of the first means that the machine was busy with something else. ``at`` is in
    seconds since the epoch, ``doing`` the innermost calls that were seen, the innermost first.
    """

    at: float
    ms: float
    cpu_ms: float
    doing: tuple[str, ...]


class LoopWatchdog:
    """A context manager, to be entered on the loop that it is to watch.

    ``late`` counts blocks, ``computing`` those that the machine has not caused: the loop's thread computed for as long.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.ticks = 0
        self.late = 0
        self.computing = 0
        self.longest: Block | None = None
        self.blocks: deque[Block] = deque(maxlen=_KEPT)
        self._lag = metrics.loop_lag
        self._worst = metrics.loop_longest_block
        self._collecting = _CollectorTime()
        self._period = _TICK
        self._beat = self._stirred = perf_counter()
        self._cpu = self._shared = 0.0
        self._seen: tuple[float, tuple[str, ...]] = (0.0, ())
        self._stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._alarm: Alarm
        self._sampler: threading.Thread

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._cpu, self._shared = thread_time(), Pace.shared
        gc.callbacks.append(self._collecting)
        self._alarm = make_alarm()
        self._schedule()
        self._sampler = threading.Thread(target=self._sample, args=(threading.get_ident(),), daemon=True)
        self._sampler.name = "watchdog"
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        gc.callbacks.remove(self._collecting)
        self._stopping = True
        self._alarm.put_off(0)
        self._sampler.join()
        self._alarm.close()

    @property
    def is_calm(self) -> bool:
        """Whether the loop has had so little to do that it is looked at less often."""
        return self._period == _CALM_TICK

    def _schedule(self) -> None:
        self._beat = perf_counter()
        self._alarm.put_off(self._period + _OVERDUE)
        self._timer = self._loop.call_later(self._period, self._tick)

    def _tick(self) -> None:
        now, cpu = perf_counter(), thread_time()
        lag, used = max(0.0, now - self._beat - self._period), cpu - self._cpu
        held = lag
        if self.is_calm:
            # Work that takes turns is no block, however much of it there is between two ticks that are far apart.
            used -= Pace.shared - self._shared
            held = max(lag, used)
        self.ticks += 1
        self._lag.observe(held)
        collecting = self._collecting.take()
        if held >= BLOCKED:
            if collecting >= held * _MOST:
                doing: tuple[str, ...] = ("garbage collection",)
            else:
                doing = self._seen[1] if self._seen[0] == self._beat else ()
            self._note(Block(time() - held, round(held * 1000, 1), round(used * 1000, 1), doing))
        if max(lag, cpu - self._cpu) >= _STIR:
            self._stirred = now
        self._cpu, self._shared = cpu, Pace.shared
        self._period = _TICK if now - self._stirred < _CALM else _CALM_TICK
        self._schedule()

    def _note(self, block: Block) -> None:
        self.late += 1
        self.computing += block.cpu_ms >= BLOCKED * 1000
        self.blocks.append(block)
        if self.longest is None or block.ms > self.longest.ms:
            self.longest = block
            self._worst.set(block.ms / 1000)

    def _sample(self, thread: int) -> None:
        """Runs in a thread of its own: look at the loop's thread once for every tick that is overdue."""
        while not self._stopping:
            self._alarm.wait()
            beat = self._beat
            if self._seen[0] != beat and perf_counter() - beat >= self._period + _OVERDUE:
                self._seen = (beat, describe_frames(sys._current_frames().get(thread)))  # noqa: SLF001 - documented


class _CollectorTime:
    """A callback of the garbage collector that adds up how long it took."""

    def __init__(self) -> None:
        self._since = 0.0
        self._total = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._since = perf_counter()
        else:
            self._total += perf_counter() - self._since

    def take(self) -> float:
        """Seconds since the last time."""
        total, self._total = self._total, 0.0
        return total


def describe_frames(frame: FrameType | None) -> tuple[str, ...]:
    """The innermost calls of a stack, for people."""
    found: list[str] = []
    while frame is not None and len(found) < _SHOWN_FRAMES:
        code = frame.f_code
        found.append(f"{code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno})")
        frame = frame.f_back
    return tuple(found)


def describe_loop(watchdog: LoopWatchdog) -> dict[str, Any]:
    """For the debug page: the newest blocks first."""
    return {
        "blocked_from_ms": BLOCKED * 1000,
        "ticks": watchdog.ticks,
        "late": watchdog.late,
        "computing": watchdog.computing,
        "longest": watchdog.longest,
        "blocks": list(reversed(watchdog.blocks)),
    }
