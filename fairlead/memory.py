"""How the garbage collector is kept from holding up the event loop, and how free memory goes back to the system.

What a mesh is made of stays for long, has no cycles, and is freed when nothing refers to it any more; the collector
would only look at all of it again and again, with everything else waiting. So what bulk work leaves behind is taken
from its sight: that costs nothing, however much it is.

The C library keeps what lies free below something that is in use. A thousand proxies that come at once leave tens of
megabytes of that behind, and when they go, more.
"""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from xds.events import Event, StreamOpened, StreamRefused

# Young objects die in bulk after every push. The threshold counts what was made less what was freed, and a push to a
# thousand proxies frees nearly as many as it makes: behind two thousand may be twenty, which take two milliseconds.
_THRESHOLDS: Final = (2_000, 250, 20)
# So many looks at the youngest may leave something behind before that is taken from sight.
_SURVIVED: Final = 20
# So many young ones after a change, and they are looked at before the next.
_YOUNG: Final = 500
# For so many seconds nothing is looked at when a push has begun: by then a thousand proxies have acknowledged it.
_PUSH: Final = 0.5
# Seconds in which a busy loop makes as many objects as can be looked at in two milliseconds.
_STEP: Final = 0.01
# For so many seconds no proxy has come or gone before memory is given back.
_QUIET: Final = 1.0
# So many streams leave enough behind that looking at it takes longer than the event loop may be held up.
_MANY: Final = 100


def tune_collector() -> None:
    """To be called once per process, when everything is imported and no event loop runs yet."""
    gc.set_threshold(*_THRESHOLDS)
    gc.collect()
    gc.freeze()


async def settle_memory() -> None:
    """Everything is loaded, and nobody is served yet: what is there stays."""
    gc.freeze()
    await asyncio.to_thread(give_back)


def spare_survivors() -> None:
    """Bulk work is going on: what has survived so far stays. To be called every few milliseconds."""
    if gc.get_count()[1] >= _SURVIVED:
        gc.freeze()


def collect_young() -> None:
    """Nobody waits for anything: look at what the last change has left behind, before that is due in the next."""
    young, looks, _ = gc.get_count()
    if young >= _YOUNG:
        gc.collect(1 if looks > _THRESHOLDS[1] else 0)


class CollectorPause:
    """Lets the collector wait while a push goes out. Nearly all that is alive in the middle of one is freed at its end.

    To look at what a thousand ``streams`` have in hand, every two thousand objects, took 6 of 90 ms, and at its end,
    all in one piece, 5 to 11 ms: a stream that waits for an answer has fourteen new objects of gRPC's, and as many for
    a response under way. They have no cycles. So those of many streams are taken from sight every few milliseconds,
    with all else that was made meanwhile; ``tests/integration/test_no_cycles.py`` shows what makes no cycles then.
    Pushes that follow one another do not prolong a pause.
    """

    def __init__(self, streams: Sized, seconds: float = _PUSH) -> None:
        self._streams = streams
        self._seconds = seconds
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_suspect = False

    def begin(self) -> None:
        """A push begins; to be called on the event loop."""
        if gc.isenabled():
            gc.disable()
            loop = asyncio.get_running_loop()
            self._until = loop.time() + self._seconds
            self._timer = loop.call_later(_STEP, self._step)

    def suspect(self) -> None:
        """Something happens that leaves cycles behind; they are looked for while it is not much to look at."""
        self._is_suspect = True

    def end(self) -> None:
        """Look at what is left behind, and from now on as usual."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._look()
            collect_young()
            gc.enable()

    def _step(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._until:
            self.end()
        else:
            self._look()
            self._timer = loop.call_later(_STEP, self._step)

    def _look(self) -> None:
        if self._is_suspect:
            gc.collect(0)
        elif len(self._streams) >= _MANY:
            gc.freeze()
        self._is_suspect = False


@contextmanager
def bulk_work() -> Iterator[None]:
    """Much is made at a stretch, in whichever thread: nothing is collected until then, and what is left then stays."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def give_back() -> None:
    """Return the memory that lies free to the operating system, where the C library is glibc."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any | None:  # noqa: ANN401 - a function of the C library
    # Each time that a library is opened leaves cycles behind.
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


class MemoryReturn:
    """Gives memory back when proxies have come or gone and it is quiet again.

    What many that came are made of is taken from the collector's sight then: it is freed without it when they go.
    """

    def __init__(self, give_back: Callable[[], None] = give_back, quiet: float = _QUIET) -> None:
        self._give_back = give_back
        self._quiet = quiet
        self._moved = asyncio.Event()
        self._opened = 0

    def observe(self, event: Event | StreamRefused) -> None:
        """A stream was opened or closed."""
        self._opened += isinstance(event, StreamOpened)
        self._moved.set()

    async def run(self) -> None:
        """Give back until cancelled; in a thread, for it may take as long as a turn of the loop may last."""
        while True:
            await self._moved.wait()
            while self._moved.is_set():
                self._moved.clear()
                await asyncio.sleep(self._quiet)
            if self._opened >= _MANY:
                gc.freeze()
            self._opened = 0
            await asyncio.to_thread(self._give_back)
