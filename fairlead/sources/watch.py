"""How the sources hear of changes in folders: from the kernel on Linux, by ``watchfiles`` elsewhere."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

RETRY: Final = 0.5
"""Seconds until a folder that could not be watched is tried again."""

Notice = Callable[[frozenset[str] | None], None]
"""Takes the paths that have changed, None where it may be any."""


class FolderWatch(Protocol):
    """Tells of changes in one folder, for as long as that stands at its path. Paths begin with that of the folder.

    A file is told of when it is complete, as far as that can be told: at once where it was moved into its place or is
    gone, else when nobody writes to it any more.
    """

    async def run(self, notice: Notice) -> None:
        """Tell of changes, first of all that anything may have changed before.

        Ends with ``stop``, with the folder, and when events were lost; whoever goes on starts over with another watch.
        Raises OSError where there is no watching, such as in a folder that does not exist.
        """

    def stop(self) -> None:
        """Have ``run`` return."""

    def being_written(self) -> frozenset[str]:
        """The files that somebody is writing to at this moment, as far as the system tells."""


def everything(_: str) -> bool:
    """Be told of every file."""
    return True


def watch_folder(folder: Path, *, recursive: bool = True, concerns: Callable[[str], bool] = everything) -> FolderWatch:
    """What watches a folder on this system, with all that is below it unless it is not to be ``recursive``.

    ``concerns`` says by the name of a file whether it matters. That of others may be told all the same.
    """
    if sys.platform != "linux":
        from fairlead.sources.watch_portable import PortableWatch  # noqa: PLC0415 - its library is not there on Linux

        return PortableWatch(folder, recursive=recursive)
    from fairlead.sources.watch_inotify import InotifyWatch  # noqa: PLC0415 - as above, the other way round

    return InotifyWatch(folder, recursive=recursive, concerns=concerns)


async def iter_changes(folder: Path, *, settle: float = 0.0, patience: float | None = None) -> AsyncGenerator[None]:
    """Tell whenever something changed in the folder itself, first of all at once, until cancelled.

    ``settle``: only once it has been quiet for so long. ``patience``: after so long also if nothing is known to have
    changed (both in seconds). A folder that is gone is waited for.
    """
    changed = asyncio.Event()
    watching = asyncio.ensure_future(_keep_watching(folder, changed))
    try:
        while True:
            await _wait(changed, patience)
            while changed.is_set():
                changed.clear()
                await _wait(changed, settle)
            yield None
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _keep_watching(folder: Path, changed: asyncio.Event) -> None:
    while True:
        with suppress(OSError):
            await watch_folder(folder, recursive=False).run(lambda _: changed.set())
        changed.set()
        await asyncio.sleep(RETRY)


async def _wait(event: asyncio.Event, patience: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await event.wait()
