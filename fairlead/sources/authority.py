"""Follows the files of a CA."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from watchfiles import awatch

# Several files change together, one after the other.
_GATHER: Final = 500
_STEP: Final = 100


async def watch_authority(folder: Path) -> AsyncIterator[None]:
    """Tell of every change in the folder, once it is quiet again. Kubernetes swaps a link inside of it."""
    async for _ in awatch(folder, debounce=_GATHER, step=_STEP, recursive=False):
        yield None
