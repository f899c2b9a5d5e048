"""Watches a folder by inotify, on the event loop: nothing runs while nothing changes.

The kernel tells when a file was closed or moved into its place, so there is no waiting for it to be complete; but
there are programs that write a file in several goes. One that is written in place counts as complete when it has stayed
closed for a moment.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from inotify_simple import INotify, flags

from fairlead.sources.watch import Notice

QUIET: Final = 0.002
"""Seconds for which a file that was written in place has to stay closed: shell scripts open it again for each line."""

# A file that is kept open counts as complete when nothing was written to it for so long (seconds): it may be a log.
_ABANDONED: Final = 2.0

_CREATED: Final = int(flags.CREATE)
_WRITTEN: Final = int(flags.MODIFY)
_CLOSED: Final = int(flags.CLOSE_WRITE)
_ARRIVED: Final = int(flags.CREATE | flags.MOVED_TO)
_LEFT: Final = int(flags.MOVED_FROM)
_REPLACED: Final = int(flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE)
_FOLDER: Final = int(flags.ISDIR)
_GONE: Final = int(flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT)
_IGNORED: Final = int(flags.IGNORED)
_OVERFLOW: Final = int(flags.Q_OVERFLOW)
_WATCHED: Final = _CREATED | _WRITTEN | _CLOSED | _REPLACED | int(flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF)
# Folders that are gone, or that nobody may look into.
_UNREADABLE: Final = frozenset({errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ELOOP})


class InotifyWatch:
    """See ``FolderWatch``. Folders whose names begin with one dot are left out; Kubernetes mounts begin with two."""

    def __init__(self, folder: Path, *, recursive: bool, concerns: Callable[[str], bool]) -> None:
        self._root = str(folder)
        self._recursive = recursive
        self._concerns = concerns
        self._notice: Notice = _nobody
        self._kernel: INotify
        self._loop: asyncio.AbstractEventLoop
        self._folders: dict[int, str] = {}
        self._writing: dict[str, float] = {}
        # When each file that was closed counts as complete; the oldest comes first.
        self._closed: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told: set[str] = set()
        self._unexplored: list[str] = []
        self._work = asyncio.Event()
        self._is_over = False

    async def run(self, notice: Notice) -> None:
        """Tell of changes."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(_find_library)
        self._kernel = INotify(nonblocking=True)
        try:
            self._notice = notice
            await self._explore([self._root])
            notice(None)
            self._loop.add_reader(self._kernel.fileno(), self._drain)
            await self._follow_folders()
        finally:
            self._notice = _nobody
            if self._timer is not None:
                self._timer.cancel()
            self._loop.remove_reader(self._kernel.fileno())
            self._kernel.close()

    def stop(self) -> None:
        """Have ``run`` return."""
        self._is_over = True
        self._work.set()

    def being_written(self) -> frozenset[str]:
        """The files that are open and have been written to a moment ago."""
        if self._notice is _nobody:
            return frozenset()
        self._drain()
        since = monotonic() - _ABANDONED
        for path in [path for path, written in self._writing.items() if written < since]:
            del self._writing[path]
        return frozenset(self._writing) | self._closed.keys()

    async def _follow_folders(self) -> None:
        """Watch new folders as well, for as long as there is something to watch."""
        while not self._is_over:
            await self._work.wait()
            self._work.clear()
            if self._unexplored:
                unexplored, self._unexplored = self._unexplored, []
                await self._explore(unexplored)
                # What came into them before they were watched is found by looking, when it had time to be complete.
                self._loop.call_later(QUIET, self._notice, None)

    async def _explore(self, folders: Iterable[str]) -> None:
        exploration = _Exploration(self._kernel, self._root, recursive=self._recursive)
        for descriptor, path in (await asyncio.to_thread(exploration.explore, folders)).items():
            # What is known already was reached by a link now.
            self._folders.setdefault(descriptor, path)

    def _drain(self) -> None:
        """Take in what the kernel has to tell."""
        for event in self._kernel.read(timeout=0):
            self._take(*event)
        self._tell()

    def _tell(self) -> None:
        if self._told:
            told, self._told = frozenset(self._told), set()
            self._notice(told)

    def _take(self, descriptor: int, mask: int, _: int, name: str) -> None:
        folder = self._folders.get(descriptor)
        if mask & _OVERFLOW:
            self._end()
        elif folder is None or (name and _is_hidden(name)):
            return
        elif mask & _IGNORED:
            del self._folders[descriptor]
        elif not name:
            self._take_own(folder, mask)
        elif mask & _FOLDER:
            self._take_folder(f"{folder}/{name}", mask)
        else:
            self._take_file(f"{folder}/{name}", name, mask)

    def _take_own(self, folder: str, mask: int) -> None:
        """Something happened to a folder itself; of all but the first one its parent tells as well."""
        if folder != self._root:
            return
        if mask & _GONE:
            self._end()
        else:
            self._told.add(folder)

    def _end(self) -> None:
        """The folder is gone, or the kernel has lost count: start over."""
        self.stop()
        self._told.add(self._root)

    def _take_folder(self, path: str, mask: int) -> None:
        if mask & _LEFT:
            self._forget_below(path)
        if mask & _ARRIVED and self._recursive:
            self._discover(path)
        else:
            self._told.add(path)

    def _take_file(self, path: str, name: str, mask: int) -> None:
        if not self._concerns(name):
            if mask & _ARRIVED and self._recursive and _leads_to_folder(path):
                self._discover(path)
            # Maybe a link to a folder, which goes without a word of what it was.
            if mask & _REPLACED and path in self._folders.values():
                self._told.add(path)
        elif mask & _WRITTEN:
            self._closed.pop(path, None)
            self._writing[path] = monotonic()
        elif mask & (_CLOSED | _CREATED):
            # What is created may be complete, too: a link, or a file that had no name before.
            self._writing.pop(path, None)
            self._settle(path)
        elif mask & _REPLACED:
            self._writing.pop(path, None)
            self._closed.pop(path, None)
            self._told.add(path)
        elif path not in self._writing and path not in self._closed:
            self._told.add(path)

    def _discover(self, path: str) -> None:
        self._unexplored.append(path)
        self._work.set()

    def _forget_below(self, path: str) -> None:
        """A folder was moved away: whatever happens in it has another path from now on."""
        for descriptor, folder in list(self._folders.items()):
            if folder == path or folder.startswith(f"{path}/"):
                del self._folders[descriptor]
                with suppress(OSError):
                    self._kernel.rm_watch(descriptor)

    def _settle(self, path: str) -> None:
        self._closed.pop(path, None)
        self._closed[path] = monotonic() + QUIET
        if self._timer is None:
            self._timer = self._loop.call_later(QUIET, self._tell_settled)

    def _tell_settled(self) -> None:
        self._timer = None
        # Somebody may have gone on writing since the loop last looked.
        self._drain()
        now = monotonic()
        for path, due in list(self._closed.items()):
            if due > now:
                self._timer = self._loop.call_later(due - now, self._tell_settled)
                break
            del self._closed[path]
            self._told.add(path)
        self._tell()


class _Exploration:
    """Sets watches on folders and all that is below them. Blocking: belongs into a worker thread."""

    def __init__(self, kernel: INotify, root: str, *, recursive: bool) -> None:
        self._kernel = kernel
        self._root = root
        self._recursive = recursive
        self._found: dict[int, str] = {}

    def explore(self, folders: Iterable[str]) -> dict[int, str]:
        """The folders by the descriptors of their watches. Raises OSError if not all can be watched.

        A folder that is reached a second time, by a link, goes by its first path.
        """
        waiting = list(folders)
        while waiting:
            path = waiting.pop()
            if self._watch(path) and self._recursive:
                waiting.extend(reversed(list(_folders_in(path))))
        return self._found

    def _watch(self, path: str) -> bool:
        """Returns whether it is a folder that was not reached before."""
        try:
            descriptor = self._kernel.add_watch(path, _WATCHED | int(flags.ONLYDIR))
        except OSError as error:
            # Whoever reads the folder says so of one that must not be read; one may be gone again.
            if path == self._root or error.errno not in _UNREADABLE:
                raise
            return False
        return self._found.setdefault(descriptor, path) == path


def _folders_in(path: str) -> Iterator[str]:
    """What is below a folder, links last, as the folder is read."""
    with suppress(OSError), os.scandir(path) as scanned:
        entries = [entry for entry in scanned if not _is_hidden(entry.name) and _is_folder(entry)]
        yield from (entry.path for entry in sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and not name.startswith("..")


def _leads_to_folder(path: str) -> bool:
    found = Path(path)
    return found.is_symlink() and found.is_dir()


def _find_library() -> None:
    """The first to use it waits while the C library is searched for."""
    INotify().close()


def _nobody(_: frozenset[str] | None) -> None:
    """Nobody is listening."""
