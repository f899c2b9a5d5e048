"""A folder source that is followed in the background, and what it has handed over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.finding import Finding
from fairlead.sources.batch import Batch
from fairlead.sources.directory import DirectorySource
from translator.objects.meta import MeshObject
from translator.objects.registry import ObjectKey

DEADLINE = 10.0


class Follower:
    """The objects in force by what the source said so far."""

    def __init__(self, source: DirectorySource) -> None:
        self.source = source
        self.objects: dict[ObjectKey, MeshObject] = {}
        self.findings: tuple[Finding, ...] = ()
        self.batches: list[Batch] = []
        self.removed: list[ObjectKey] = []
        self._changed = asyncio.Condition()

    @property
    def names(self) -> set[str]:
        return {key.name for key in self.objects}

    async def take(self, batch: Batch) -> None:
        """The sink."""
        self.batches.append(batch)
        for key, value in batch.writes:
            if value is None:
                del self.objects[key]
                self.removed.append(key)
            else:
                self.objects[key] = value
        if batch.findings is not None:
            self.findings = batch.findings
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the effect of a change."""
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(condition)


@asynccontextmanager
async def following(root: Path, **options: int) -> AsyncIterator[Follower]:
    """Load a folder and follow it."""
    async with DirectorySource(root, **options) as source:
        follower = Follower(source)
        await source.load(follower.take)
        task = asyncio.create_task(source.follow(follower.take))
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
