"""Where the files of a run lie."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fairlead.bench.plan import Plan

# Linux: a file system in memory, which containers often have too small.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ROOM: Final = 1 << 30


@contextmanager
def open_workdir(plan: Plan) -> Iterator[Path]:
    """A folder that the user named, or one that is gone afterwards."""
    if plan.target is None and plan.folder is not None:
        plan.folder.mkdir(parents=True, exist_ok=True)
        yield plan.folder
        return
    with temporary_folder() as folder:
        yield folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder in memory where there is room: on a disk, to write a file may take longer than to have it pushed."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-", dir=_MEMORY if in_memory else None) as folder:
        yield Path(folder)
