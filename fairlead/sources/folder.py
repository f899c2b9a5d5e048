"""Reads a folder again and again, each time only what has changed.

Blocking: belongs into a worker thread, except for a few small files that were written a moment ago.
"""

import os
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from time import time_ns
from typing import Final, NamedTuple

import xxhash

from fairlead.finding import UNREADABLE_FILE
from fairlead.memory import spare_survivors
from fairlead.sources.document import ParsedFile, parse_file, unreadable
from fairlead.sources.tree import Signature, Tree, describe_error, is_document, signature_of, walk

MEBIBYTE: Final = 1024 * 1024
DEFAULT_FILE_LIMIT: Final = 32 * MEBIBYTE

# So many bytes of text become objects within a millisecond or two, also where they are YAML.
_LITTLE: Final = 4096
# So many files are looked at within a fraction of that.
_FEW: Final = 16
# Two changes can have the same time: clocks of file systems tick every few milliseconds (here: nanoseconds).
_TICK: Final = 20_000_000

Identity = tuple[int, int]


class Reading(NamedTuple):
    """What a look at the folder found.

    ``changes`` are files that were read (None: gone). ``lost`` says why the folder cannot be looked at, and nothing
    else is known then. ``is_settled`` is False if a file was being written during the look. ``identity`` tells a
    folder from another one that took its place.
    """

    changes: list[tuple[str, ParsedFile | None]]
    lost: str = ""
    is_settled: bool = True
    identity: Identity | None = None


def read_file(path: Path, name: str, limit: int) -> ParsedFile:
    """Read one file; never raises. ``name`` is for people."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            return unreadable(name, UNREADABLE_FILE, "is not a regular file")
        if size > limit:
            return unreadable(name, UNREADABLE_FILE, _too_large(size, limit))
        return parse_file(path.read_bytes(), name)
    except OSError as error:
        return unreadable(name, UNREADABLE_FILE, describe_error(error))


def _identity_of(folder: Path) -> Identity:
    status = folder.stat()
    return (status.st_dev, status.st_ino)


def _too_large(size: int, limit: int) -> str:
    return f"is too large: {size / MEBIBYTE:.1f} MiB, and the limit is {limit / MEBIBYTE:g} MiB"


class _Known(NamedTuple):
    """What is remembered of a file: enough not to read, or not to parse, the same content again.

    There is no ``signature`` where the file may have changed since without getting another one.
    """

    signature: Signature | None
    digest: bytes
    fault: str = ""


_UNCERTAIN: Final = _Known(None, b"")


class FolderReader:
    """Knows what was read before. Not to be used by two threads at a time."""

    def __init__(self, root: Path, file_limit: int = DEFAULT_FILE_LIMIT) -> None:
        self._root = root
        self._limit = file_limit
        self._known: dict[str, _Known] = {}
        self._identity: Identity | None = None
        self._is_settled = True

    def glance(self, hints: frozenset[str], unfinished: frozenset[str]) -> Reading | None:
        """What ``look`` does where that takes no longer than an event loop can wait: a few small files; else None."""
        if len(hints) > _FEW:
            return None
        try:
            files = self._files_of(hints) if _identity_of(self._root) == self._identity else None
            if files is None or sum(each.size for each in files.values() if each) > _LITTLE:
                return None
            return self._look_at(files, unfinished)
        except OSError:
            return None

    def look(self, hints: frozenset[str] | None = None, unfinished: frozenset[str] = frozenset()) -> Reading:
        """Read what has changed; ``hints`` are the paths that may have, None if any may have.

        Paths begin with that of the folder. ``unfinished`` are files that somebody is writing: they are left alone.
        """
        try:
            identity = _identity_of(self._root)
            files = self._files_of(hints) if hints is not None and identity == self._identity else None
            if files is not None:
                return self._look_at(files, unfinished)
            self._is_settled = True
            tree = walk(self._root)
            if self._known and not tree.files and identity != self._identity:
                return Reading([], lost="another, empty folder has taken its place")
            changes = list(self._compare(tree, self._names_of(unfinished)))
        except OSError as error:
            # A folder of the same identity later on may be another one: numbers are used again.
            self._identity = None
            return Reading([], lost=(error.strerror or str(error)).lower())
        self._identity = identity
        return Reading(changes, is_settled=self._is_settled, identity=identity)

    def without(self, reading: Reading, unfinished: frozenset[str]) -> Reading:
        """What was found apart from files that somebody was writing at the same time; they are read again later."""
        if not unfinished:
            return reading
        root = str(self._root)
        kept = []
        for name, parsed in reading.changes:
            if f"{root}/{name}" in unfinished:
                self._known[name] = _UNCERTAIN
            else:
                kept.append((name, parsed))
        return reading._replace(changes=kept)

    def _look_at(self, files: Mapping[str, Signature | None], unfinished: frozenset[str]) -> Reading:
        self._is_settled = True
        skipped = self._names_of(unfinished)
        changes = [change for name, each in files.items() if name not in skipped for change in self._check(name, each)]
        return Reading(changes, is_settled=self._is_settled, identity=self._identity)

    def _names_of(self, paths: frozenset[str]) -> set[str]:
        return {name for name in map(self._name_of, paths) if name}

    def _name_of(self, path: str) -> str | None:
        """How a file below the folder is called here; None if it has no name, or one of a mount's hidden folders."""
        root = f"{self._root}/"
        name = path.removeprefix(root)
        return name if name != path and not name.startswith("..") and "/.." not in name else None

    def _files_of(self, hints: frozenset[str]) -> dict[str, Signature | None] | None:
        """The plain files among the hints, None for one that is gone.

        None for all if something else may have changed, such as a folder or a link.
        """
        files: dict[str, Signature | None] = {}
        for hint in sorted(hints):
            name = self._name_of(hint)
            # Mounted ConfigMaps change by replacing ``..data``; other hidden things are nobody's business.
            if name is None:
                return None
            if name.startswith(".") or "/." in name:
                continue
            folder, _, last = name.rpartition("/")
            if not is_document(last):
                return None
            try:
                status = os.lstat(hint)
                if self._is_linked(folder) or not S_ISREG(status.st_mode):
                    return None
                files[name] = signature_of(status)
            except (FileNotFoundError, NotADirectoryError):
                files[name] = None
        return files

    def _is_linked(self, folder: str) -> bool:
        """Whether there is a link on the way to a folder below this one."""
        while folder:
            if S_ISLNK(os.lstat(f"{self._root}/{folder}").st_mode):
                return True
            folder = folder.rpartition("/")[0]
        return False

    def _check(self, name: str, signature: Signature | None) -> Iterator[tuple[str, ParsedFile | None]]:
        """Read a file that is said to have changed: the signature alone would not always show it."""
        if signature is not None:
            yield from self._read_again(name, signature)
        elif self._known.pop(name, None) is not None:
            yield name, None
        else:
            # Maybe a folder of that name is gone, with all that was in it.
            for below in [known for known in self._known if known.startswith(f"{name}/")]:
                del self._known[below]
                yield below, None

    def _compare(self, tree: Tree, skipped: Set[str]) -> Iterator[tuple[str, ParsedFile | None]]:
        for name in [known for known in self._known if known not in tree.files and known not in tree.faults]:
            del self._known[name]
            yield name, None
        for name, reason in tree.faults.items():
            yield from self._refuse(name, None, reason)
        for name, signature in tree.files.items():
            known = self._known.get(name)
            if name not in skipped and (known is None or known.signature != signature):
                yield from self._read_again(name, signature)
                # Whoever looks at everything may find everything, and a collection holds up all threads.
                spare_survivors()

    def _read_again(self, name: str, signature: Signature) -> Iterator[tuple[str, ParsedFile | None]]:
        if signature.size > self._limit:
            yield from self._refuse(name, signature, _too_large(signature.size, self._limit))
            return
        try:
            source = self._read(name)
        except OSError as error:
            # The signature is not kept: whether a file can be read may change without any trace in it.
            yield from self._refuse(name, None, describe_error(error))
            return
        if source is None:
            return
        digest, known = xxhash.xxh3_128_digest(source), self._known.get(name)
        if known is None or known.digest != digest:
            yield name, parse_file(source, name)
        is_old = time_ns() - signature.mtime_ns > _TICK
        self._known[name] = _Known(signature if is_old else None, digest)

    def _read(self, name: str) -> bytes | None:
        """The content of a file; None if somebody is writing to it at this moment."""
        # By system calls: objects for paths and files would take most of the time that a small change does.
        file = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            before = signature_of(os.fstat(file))
            parts = [os.read(file, before.size + 1)]
            while parts[-1] and sum(map(len, parts)) != before.size:
                parts.append(os.read(file, MEBIBYTE))
            if signature_of(os.fstat(file)) == before:
                return b"".join(parts)
        finally:
            os.close(file)
        self._is_settled = False
        return None

    def _refuse(self, name: str, signature: Signature | None, reason: str) -> Iterator[tuple[str, ParsedFile | None]]:
        known = self._known.get(name)
        if known is None or known.fault != reason:
            yield name, unreadable(name, UNREADABLE_FILE, reason)
        self._known[name] = _Known(signature, b"", reason)
