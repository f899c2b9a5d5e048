"""A watch tells of every file when it is complete, and of nothing that is being written."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fairlead.sources.tree import is_document
from fairlead.sources.watch import FolderWatch, iter_changes, watch_folder
from fairlead.sources.watch_portable import PortableWatch

DEADLINE = 10.0


class Listener:
    """What a watch has told so far, relative to its folder; ``anything`` is how often that may have been all."""

    def __init__(self, watch: FolderWatch, root: Path) -> None:
        self.watch = watch
        self.told: list[str] = []
        self.anything = 0
        self.running: asyncio.Task[None]
        self._root = root
        self._news = asyncio.Event()

    def notice(self, paths: frozenset[str] | None) -> None:
        self.anything += paths is None
        self.told += [os.path.relpath(path, self._root) for path in sorted(paths or ())]
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.running

    @property
    def unfinished(self) -> set[str]:
        return {os.path.relpath(path, self._root) for path in self.watch.being_written()}


@asynccontextmanager
async def listening(watch: FolderWatch, root: Path) -> AsyncIterator[Listener]:
    listener = Listener(watch, root)
    listener.running = asyncio.create_task(watch.run(listener.notice))
    try:
        await listener.until(lambda: listener.anything > 0)
        yield listener
    finally:
        watch.stop()
        await asyncio.wait([listener.running])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "a.yaml").write_text("old")
    return folder


@pytest.fixture
async def listener(root: Path) -> AsyncIterator[Listener]:
    async with listening(watch_folder(root, concerns=is_document), root) as listener:
        yield listener


def mark(root: Path, name: str) -> None:
    """Tell of something at once: all that happened before is known by then."""
    draft = root.parent / "draft"
    draft.touch()
    draft.rename(root / name)


async def test_what_is_moved_linked_changed_or_removed(root: Path, listener: Listener) -> None:
    mark(root, "b.yaml")
    await listener.until(lambda: listener.told == ["b.yaml"])
    (root / "c.yaml").hardlink_to(root / "b.yaml")
    await listener.until(lambda: "c.yaml" in listener.told)
    (root / "a.yaml").chmod(0o600)
    await listener.until(lambda: "a.yaml" in listener.told)
    listener.told.clear()
    (root / "a.yaml").unlink()
    await listener.until(lambda: "a.yaml" in listener.told)


async def test_a_file_that_is_written_in_place_is_told_of_once_when_it_is_closed(
    root: Path, listener: Listener
) -> None:
    with (root / "a.yaml").open("w") as file:
        for number in range(3):
            file.write("half")
            file.flush()
            mark(root, f"{number}.yaml")
            await listener.until(lambda number=number: f"{number}.yaml" in listener.told)  # type: ignore[misc]
        assert "a.yaml" not in listener.told
        assert listener.unfinished == {"a.yaml"}
    await listener.until(lambda: "a.yaml" in listener.told)
    mark(root, "last.yaml")
    await listener.until(lambda: "last.yaml" in listener.told)
    assert listener.told.count("a.yaml") == 1
    assert listener.unfinished == set()


async def test_a_file_that_is_opened_again_is_not_complete(root: Path, listener: Listener) -> None:
    (root / "a.yaml").write_text("half")
    assert listener.unfinished == {"a.yaml"}
    with (root / "a.yaml").open("a") as file:
        file.write("the rest")
        file.flush()
        mark(root, "b.yaml")
        await listener.until(lambda: "b.yaml" in listener.told)
        assert listener.unfinished == {"a.yaml"}
    await listener.until(lambda: "a.yaml" in listener.told)
    assert listener.told.count("a.yaml") == 1


async def test_drafts_and_hidden_folders_go_unnoticed(root: Path, listener: Listener) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "index.yaml").write_text("x")
    (root / ".a.yaml.swp").write_text("x")
    (root / "a.yaml.tmp").write_text("new")
    (root / "a.yaml.tmp").replace(root / "a.yaml")
    await listener.until(lambda: "a.yaml" in listener.told)
    assert listener.told == ["a.yaml"]
    assert listener.anything == 1


async def test_new_folders_are_watched_and_moved_ones_go_by_their_new_path(root: Path, listener: Listener) -> None:
    (root / "x" / "y").mkdir(parents=True)
    await listener.until(lambda: listener.anything > 1)
    mark(root, "x/y/b.yaml")
    await listener.until(lambda: "x/y/b.yaml" in listener.told)
    before = listener.anything
    (root / "x").rename(root / "z")
    await listener.until(lambda: listener.anything > before)
    listener.told.clear()
    (root / "z" / "y" / "b.yaml").write_text("new")
    await listener.until(lambda: bool(listener.told))
    assert listener.told == ["z/y/b.yaml"]


async def test_folders_behind_links_are_watched(root: Path, listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    await listener.until(lambda: listener.anything > 1)
    (tmp_path / "elsewhere" / "b.yaml").write_text("x")
    await listener.until(lambda: "link/b.yaml" in listener.told)
    (root / "link").unlink()
    await listener.until(lambda: "link" in listener.told)


async def test_a_link_to_the_folder_itself_has_an_end(root: Path, listener: Listener) -> None:
    (root / "again").symlink_to(root)
    await listener.until(lambda: listener.anything > 1)
    mark(root, "b.yaml")
    await listener.until(lambda: "b.yaml" in listener.told)


async def test_events_that_got_lost_end_it(root: Path, listener: Listener) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(limit // 4 + 1):
        (root / "a.yaml").rename(root / "b.yaml")
        (root / "b.yaml").rename(root / "a.yaml")
    await listener.ended()


async def test_it_ends_with_its_folder(root: Path, listener: Listener) -> None:
    root.rename(root.with_name("other"))
    await listener.ended()
    with pytest.raises(FileNotFoundError):
        await watch_folder(root).run(listener.notice)


async def test_changes_of_a_folder_that_comes_and_goes(root: Path) -> None:
    changes = iter_changes(root, settle=0.001)

    async def next_change() -> None:
        async with asyncio.timeout(DEADLINE):
            await anext(changes)

    try:
        await next_change()
        (root / "a.yaml").write_text("new")
        await next_change()
        (root / "a.yaml").unlink()
        root.rmdir()
        await next_change()
        root.mkdir()
        await next_change()
    finally:
        await changes.aclose()


async def test_without_inotify(root: Path) -> None:
    async with listening(PortableWatch(root, recursive=True), root) as listener:
        (root / "a.yaml").write_text("new")
        await listener.until(lambda: "a.yaml" in listener.told)
        assert listener.unfinished == set()
        listener.watch.stop()
        await listener.ended()
    with pytest.raises(OSError, match="No such file"):
        await PortableWatch(root / "missing", recursive=True).run(listener.notice)
