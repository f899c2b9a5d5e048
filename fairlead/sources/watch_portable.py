"""Watches a folder where there is no inotify. What is being written is not known: one quiet step ends a batch."""

import asyncio
from pathlib import Path
from typing import Final

from watchfiles import awatch

from fairlead.sources.watch import Notice

# The watcher looks for events in this rhythm (milliseconds). Costs 2 % of a core.
_STEP: Final = 1
_GATHER: Final = 20


class PortableWatch:
    """See ``FolderWatch``."""

    def __init__(self, folder: Path, *, recursive: bool) -> None:
        self._folder = folder
        self._recursive = recursive
        self._stopping = asyncio.Event()

    async def run(self, notice: Notice) -> None:
        """Tell of changes."""
        # The library waits for a folder that is not there.
        await asyncio.to_thread(self._folder.stat)
        # Runs once the watch below is set up: what changed before that is found by looking.
        asyncio.get_running_loop().call_soon(notice, None)
        try:
            async for changes in awatch(
                self._folder,
                watch_filter=None,
                step=_STEP,
                debounce=_GATHER,
                stop_event=self._stopping,
                recursive=self._recursive,
                ignore_permission_denied=True,
            ):
                paths = frozenset(path for _, path in changes)
                notice(paths)
                if str(self._folder) in paths:
                    return
        except (RuntimeError, ExceptionGroup) as error:
            raise _os_error(error) from error

    def stop(self) -> None:
        """Have ``run`` return."""
        self._stopping.set()

    def being_written(self) -> frozenset[str]:
        """Not known."""
        return frozenset()


def _os_error(error: Exception) -> OSError:
    """What really happened: the watcher runs in a task group of its own."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, OSError) else OSError(str(error))
