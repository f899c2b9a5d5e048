"""Which files of a folder hold objects, and how to tell that one has changed without reading it."""

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final, NamedTuple

SUFFIXES: Final = (".yaml", ".yml", ".json")


class Signature(NamedTuple):
    """Differs after every change of a file that leaves a trace in its metadata."""

    mtime_ns: int
    size: int
    inode: int
    device: int


class Tree(NamedTuple):
    """The files by their path relative to the folder, in order, and what there is but cannot be read, with why."""

    files: dict[str, Signature]
    faults: dict[str, str]


def is_document(name: str) -> bool:
    """Whether a file of this name is read: not the temporary files, backups and locks of editors."""
    return name.lower().endswith(SUFFIXES) and not name.startswith((".", "#")) and not name.endswith("~")


def signature_of(status: os.stat_result) -> Signature:
    """The signature that goes with a ``stat``."""
    return Signature(status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)


def walk(root: Path) -> Tree:
    """Look at the whole folder, nested folders and symbolic links included. Raises OSError for the folder itself.

    What begins with a dot is skipped, which hides ``..data`` and the like in a mounted ConfigMap while the links
    to it are followed. A folder or file that is reached a second time, by a link, is read once.
    """
    status = root.stat()
    walking = _Walk()
    walking.seen.add((status.st_dev, status.st_ino))
    walking.folder(root, "")
    return Tree(dict(sorted(walking.files.items())), walking.faults)


class _Walk:
    """One pass over a folder."""

    def __init__(self) -> None:
        self.files: dict[str, Signature] = {}
        self.faults: dict[str, str] = {}
        self.seen: set[tuple[int, int]] = set()

    def folder(self, path: Path, relative: str) -> None:
        with os.scandir(path) as scanned:
            entries = sorted(scanned, key=lambda entry: (entry.is_symlink(), entry.name))
        for entry in entries:
            if not entry.name.startswith("."):
                self._entry(entry, f"{relative}{entry.name}")

    def _entry(self, entry: os.DirEntry[str], name: str) -> None:
        status = self._status(entry, name)
        if status is None:
            return
        if S_ISDIR(status.st_mode):
            self._subfolder(entry, name, status)
        elif not is_document(entry.name):
            return
        elif not name.isprintable():
            # Bytes that are no UTF-8 become such characters; nobody could be told of that file.
            self.faults[ascii(name)] = "has a name that is not readable text"
        elif not S_ISREG(status.st_mode):
            self.faults[name] = "is not a regular file"
        elif self._is_new(status):
            self.files[name] = signature_of(status)

    def _status(self, entry: os.DirEntry[str], name: str) -> os.stat_result | None:
        """What an entry is, links followed; None if that cannot be told."""
        try:
            return entry.stat()
        except FileNotFoundError:
            # A name that is gone again by now is no fault.
            if is_document(entry.name) and entry.is_symlink() and os.path.lexists(entry.path):
                self.faults[name] = "is a symbolic link to something that does not exist"
        except OSError as error:
            if is_document(entry.name):
                self.faults[name] = describe_error(error)
        return None

    def _subfolder(self, entry: os.DirEntry[str], name: str, status: os.stat_result) -> None:
        if not self._is_new(status):
            self.faults[name] = "is a symbolic link to a folder that is read anyway: not followed"
            return
        try:
            self.folder(Path(entry.path), f"{name}/")
        except OSError as error:
            self.faults[name] = describe_error(error)

    def _is_new(self, status: os.stat_result) -> bool:
        identity = (status.st_dev, status.st_ino)
        if identity in self.seen:
            return False
        if status.st_ino:  # some network file systems have no such numbers
            self.seen.add(identity)
        return True


def describe_error(error: OSError) -> str:
    """Why the system refused, for people."""
    return f"cannot be read: {(error.strerror or str(error)).lower()}"
