"""Follows the files of a CA."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from fairlead.sources.watch import iter_changes

# Several files change together, one after the other (seconds).
_GATHER: Final = 0.5


def watch_authority(folder: Path) -> AsyncIterator[None]:
    """Tell of every change in the folder, once it is quiet again. Kubernetes swaps a link inside of it."""
    return iter_changes(folder, settle=_GATHER)
