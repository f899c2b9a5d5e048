"""Reads a folder again and again, each time only what has changed. Blocking: belongs into a worker thread."""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple

import xxhash

from fairlead.finding import UNREADABLE_FILE
from fairlead.sources.document import ParsedFile, parse_file, unreadable
from fairlead.sources.tree import Signature, Tree, describe_error, is_document, signature_of, walk

MEBIBYTE: Final = 1024 * 1024
DEFAULT_FILE_LIMIT: Final = 32 * MEBIBYTE

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


def _too_large(size: int, limit: int) -> str:
    return f"is too large: {size / MEBIBYTE:.1f} MiB, and the limit is {limit / MEBIBYTE:g} MiB"


class _Known(NamedTuple):
    """What is remembered of a file: enough not to read, or not to parse, the same content again."""

    signature: Signature | None
    digest: bytes
    fault: str = ""


class FolderReader:
    """Knows what was read before. Not to be used by two threads at a time."""

    def __init__(self, root: Path, file_limit: int = DEFAULT_FILE_LIMIT) -> None:
        self._root = root
        self._limit = file_limit
        self._known: dict[str, _Known] = {}
        self._identity: Identity | None = None
        self._is_settled = True

    def look(self, hints: frozenset[str] | None = None) -> Reading:
        """Read what has changed; ``hints`` are the paths (as watched) that may have, None if any may have."""
        self._is_settled = True
        try:
            status = self._root.stat()
            identity = (status.st_dev, status.st_ino)
            names = self._files_of(hints) if hints is not None and identity == self._identity else None
            if names is not None:
                changes = [change for name in names for change in self._check(name)]
            else:
                tree = walk(self._root)
                if self._known and not tree.files and identity != self._identity:
                    return Reading([], lost="another, empty folder has taken its place")
                changes = list(self._compare(tree))
        except OSError as error:
            # A folder of the same identity later on may be another one: numbers are used again.
            self._identity = None
            return Reading([], lost=(error.strerror or str(error)).lower())
        self._identity = identity
        return Reading(changes, is_settled=self._is_settled, identity=identity)

    def _files_of(self, hints: frozenset[str]) -> list[str] | None:
        """The plain files among the hints; None if something else may have changed, such as a folder or a link."""
        names = []
        for hint in sorted(hints):
            parts = Path(os.path.relpath(hint, self._root)).parts
            hidden = next((part for part in parts if part.startswith(".")), "")
            # Mounted ConfigMaps change by replacing ``..data``; other hidden things are nobody's business.
            if hidden.startswith("..") or not parts:
                return None
            if hidden:
                continue
            if not is_document(parts[-1]) or not self._is_plain(Path(hint)):
                return None
            names.append("/".join(parts))
        return names

    def _is_plain(self, path: Path) -> bool:
        """Whether a path leads to a regular file, or to nothing, without any link on the way below the folder."""
        for parent in path.parents:
            if parent == self._root:
                break
            if parent.is_symlink():
                return False
        try:
            return S_ISREG(path.lstat().st_mode)
        except FileNotFoundError:
            return True

    def _check(self, name: str) -> Iterator[tuple[str, ParsedFile | None]]:
        try:
            status = (self._root / name).lstat()
        except FileNotFoundError:
            if self._known.pop(name, None) is not None:
                yield name, None
            # A folder of that name may be gone as well, with all that was in it.
            for below in [known for known in self._known if known.startswith(f"{name}/")]:
                del self._known[below]
                yield below, None
            return
        yield from self._read_if_changed(name, signature_of(status))

    def _compare(self, tree: Tree) -> Iterator[tuple[str, ParsedFile | None]]:
        for name in [known for known in self._known if known not in tree.files and known not in tree.faults]:
            del self._known[name]
            yield name, None
        for name, reason in tree.faults.items():
            yield from self._refuse(name, None, reason)
        for name, signature in tree.files.items():
            yield from self._read_if_changed(name, signature)

    def _read_if_changed(self, name: str, signature: Signature) -> Iterator[tuple[str, ParsedFile | None]]:
        known = self._known.get(name)
        if known is not None and known.signature == signature:
            return
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
        digest = xxhash.xxh3_128_digest(source)
        if known is None or known.digest != digest:
            yield name, parse_file(source, name)
        self._known[name] = _Known(signature, digest)

    def _read(self, name: str) -> bytes | None:
        """The content of a file; None if somebody is writing to it at this moment."""
        with (self._root / name).open("rb", buffering=0) as file:
            before = signature_of(os.fstat(file.fileno()))
            source = file.readall()
            if signature_of(os.fstat(file.fileno())) == before:
                return source
        self._is_settled = False
        return None

    def _refuse(self, name: str, signature: Signature | None, reason: str) -> Iterator[tuple[str, ParsedFile | None]]:
        known = self._known.get(name)
        if known is None or known.fault != reason:
            yield name, unreadable(name, UNREADABLE_FILE, reason)
        self._known[name] = _Known(signature, b"", reason)
