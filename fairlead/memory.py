"""How the garbage collector is kept from holding up the event loop.

What a mesh is made of stays for long, has no cycles, and is freed when nothing refers to it any more; the collector
would only look at all of it again and again, with everything else waiting. So what bulk work leaves behind is taken
from its sight: that costs nothing, however much it is.
"""

import gc
from typing import Final

# Young objects die in bulk after every push. The youngest ten thousand are looked at in about a millisecond.
_THRESHOLDS: Final = (10_000, 50, 20)
# So many looks at the youngest may leave something behind before that is taken from sight.
_SURVIVED: Final = 4


def tune_collector() -> None:
    """To be called once per process."""
    gc.set_threshold(*_THRESHOLDS)


def settle_memory() -> None:
    """Everything is loaded, and nobody is served yet: what is there stays, and garbage goes."""
    gc.collect()
    gc.freeze()


def spare_survivors() -> None:
    """Bulk work is going on: what has survived so far stays. To be called every few milliseconds."""
    if gc.get_count()[1] >= _SURVIVED:
        gc.freeze()
