"""A followed folder: whatever people and their tools do to it, the right objects are in force."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlead.mesh.waiting import NotYetError, wait_until
from tests.integration.following import Follower, following
from translator.objects.core import Service
from translator.objects.registry import Kind, ObjectKey

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: {0}}}\nspec: {{clusterIP: 10.0.0.{1}}}\n"


def service(name: str, number: int = 1) -> str:
    return SERVICE.format(name, number)


def address(follower: Follower, name: str) -> str:
    found = follower.objects.get(ObjectKey(Kind.SERVICE, "default", name))
    return found.spec.cluster_ip if isinstance(found, Service) else ""


async def logged(logs: Sequence[Mapping[str, object]], event: str) -> Mapping[str, object]:
    """A log entry, once it is there."""
    for entry in logs:
        if entry["event"] == event:
            return entry
    raise NotYetError(f"{event} is not logged")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "a.yaml").write_text(service("a"))
    return folder


@pytest.fixture
async def follower(root: Path) -> AsyncIterator[Follower]:
    async with following(root) as follower:
        yield follower


async def test_files_come_change_and_go(root: Path, follower: Follower) -> None:
    assert follower.names == {"a"}
    (root / "b.yml").write_text(service("b"))
    await follower.until(lambda: follower.names == {"a", "b"})
    (root / "a.yaml").write_text(service("a", 2))
    await follower.until(lambda: address(follower, "a") == "10.0.0.2")
    (root / "b.yml").unlink()
    await follower.until(lambda: follower.names == {"a"})
    (root / "c.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}))
    await follower.until(lambda: follower.names == {"a", "c"})


async def test_folders_come_and_go(root: Path, follower: Follower, tmp_path: Path) -> None:
    (root / "x" / "y").mkdir(parents=True)
    (root / "x" / "y" / "b.yaml").write_text(service("b"))
    await follower.until(lambda: follower.names == {"a", "b"})
    (root / "x" / "y" / "b.yaml").write_text(service("b", 2))
    await follower.until(lambda: address(follower, "b") == "10.0.0.2")
    (root / "x").rename(root / "z")
    (root / "z" / "y" / "c.yaml").write_text(service("c"))
    await follower.until(lambda: follower.names == {"a", "b", "c"})
    shutil.rmtree(root / "z")
    await follower.until(lambda: follower.names == {"a"})
    assert [key.name for key in follower.removed if key.name == "a"] == []


async def test_a_rename_takes_nothing_away(root: Path, follower: Follower) -> None:
    (root / "a.yaml").rename(root / "renamed.yaml")
    (root / "mark.yaml").write_text(service("mark"))
    await follower.until(lambda: "mark" in follower.names)
    (root / "renamed.yaml").write_text(service("a", 2))
    await follower.until(lambda: address(follower, "a") == "10.0.0.2")
    assert follower.removed == []


async def test_editors_that_write_through_other_files(root: Path, follower: Follower) -> None:
    # vim with backupcopy=no: the file is moved away, and a new one takes its place.
    (root / "4913").touch()
    (root / "4913").unlink()
    (root / "a.yaml").rename(root / "a.yaml~")
    (root / ".a.yaml.swp").write_bytes(b"b0VIM\0")
    (root / "a.yaml").write_text(service("a", 2))
    (root / "a.yaml~").unlink()
    await follower.until(lambda: address(follower, "a") == "10.0.0.2")
    # Others write a draft and move it over the file.
    (root / "a.yaml.tmp").write_text(service("a", 3))
    (root / "a.yaml.tmp").replace(root / "a.yaml")
    await follower.until(lambda: address(follower, "a") == "10.0.0.3")
    # Emacs locks a file by a link that leads nowhere.
    (root / ".#a.yaml").symlink_to("me@machine.1:1")
    (root / "a.yaml").write_text(service("a", 4))
    await follower.until(lambda: address(follower, "a") == "10.0.0.4")
    assert follower.removed == []
    assert follower.findings == ()


async def test_a_file_that_is_written_piece_by_piece(root: Path, follower: Follower) -> None:
    text = service("a", 2)
    with (root / "a.yaml").open("w") as file:
        for character in text:
            file.write(character)
            file.flush()
    await follower.until(lambda: address(follower, "a") == "10.0.0.2")
    assert follower.removed == []
    await follower.until(lambda: follower.findings == ())


async def test_half_of_a_file_never_takes_the_place_of_a_good_one(root: Path, follower: Follower) -> None:
    (root / "mark.yaml").write_text(service("mark"))
    await follower.until(lambda: "mark" in follower.names)
    with (root / "a.yaml").open("w") as file:
        file.write("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
        file.flush()
        # A new folder is a reason to look at everything.
        (root / "x").mkdir()
        (root / "x" / "b.yaml").write_text(service("b"))
        await follower.until(lambda: "b" in follower.names)
        # Long enough for what is gone to be removed.
        (root / "x" / "b.yaml").unlink()
        await follower.until(lambda: "b" not in follower.names)
        assert address(follower, "a") == "10.0.0.1"
    with (root / "a.yaml").open("a") as file:
        file.write("spec: {clusterIP: 10.0.0.2}\n")
    await follower.until(lambda: address(follower, "a") == "10.0.0.2")
    written = [write for batch in follower.batches for write in batch.writes if write.key.name == "a"]
    assert len(written) == 2


async def test_more_changes_than_the_kernel_remembers(root: Path, follower: Follower) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(limit // 4 + 1):
        (root / "a.yaml").rename(root / "b.yaml")
        (root / "b.yaml").rename(root / "a.yaml")
    (root / "x").mkdir()
    (root / "x" / "c.yaml").write_text(service("c"))
    await follower.until(lambda: "c" in follower.names)
    (root / "x" / "c.yaml").write_text(service("c", 2))
    await follower.until(lambda: address(follower, "c") == "10.0.0.2")
    assert follower.removed == []


async def test_a_broken_file_leaves_its_last_good_version_in_force(root: Path, follower: Follower) -> None:
    (root / "a.yaml").write_text(service("a", 2) + "---\nbroken: [\n")
    await follower.until(lambda: bool(follower.findings))
    assert address(follower, "a") == "10.0.0.2"
    (root / "a.yaml").write_text("broken: [\n")
    (root / "b.yaml").write_text(service("b"))
    await follower.until(lambda: "b" in follower.names)
    assert follower.names == {"a", "b"}
    (root / "a.yaml").write_text(service("a", 3))
    await follower.until(lambda: address(follower, "a") == "10.0.0.3" and not follower.findings)


async def test_an_object_that_leaves_its_file_is_removed(root: Path, follower: Follower) -> None:
    (root / "a.yaml").write_text(f"{service('a')}---\n{service('b')}")
    await follower.until(lambda: follower.names == {"a", "b"})
    (root / "a.yaml").write_text(service("b"))
    await follower.until(lambda: follower.names == {"b"})


async def test_a_mounted_config_map(root: Path, follower: Follower) -> None:
    for number in (1, 2, 3):
        (root / f"..v{number}").mkdir()
        (root / f"..v{number}" / "b.yaml").write_text(service("b", number))
        (root / "..data_tmp").symlink_to(f"..v{number}")
        (root / "..data_tmp").rename(root / "..data")
        if number == 1:
            (root / "b.yaml").symlink_to("..data/b.yaml")
        else:
            shutil.rmtree(root / f"..v{number - 1}")
        await follower.until(lambda number=number: address(follower, "b") == f"10.0.0.{number}")  # type: ignore[misc]
    assert follower.removed == []


async def test_a_burst_of_files(root: Path, follower: Follower) -> None:
    for number in range(1000):
        (root / f"burst-{number}.yaml").write_text(service(f"s{number}"))
    await follower.until(lambda: len(follower.names) == 1001)
    # Written faster than they are read: they go in together.
    assert len(follower.batches) < 300
    for number in range(1000):
        (root / f"burst-{number}.yaml").unlink()
    await follower.until(lambda: follower.names == {"a"})


async def test_two_files_with_one_object(root: Path, follower: Follower) -> None:
    (root / "0.yaml").write_text(service("a", 9))
    await follower.until(lambda: address(follower, "a") == "10.0.0.9")
    await follower.until(lambda: len(follower.findings) == 1)
    assert str(follower.findings[0]).startswith("a.yaml:1: warning: Service default/a: has no effect: 0.yaml:1 holds")
    (root / "0.yaml").unlink()
    await follower.until(lambda: address(follower, "a") == "10.0.0.1" and not follower.findings)


async def test_the_folder_is_deleted_and_comes_back(root: Path, follower: Follower) -> None:
    with capture_logs() as logs:
        shutil.rmtree(root)
        # Nothing is handed over, so there is nothing but the log to wait for.
        await wait_until(lambda: logged(logs, "source.lost"))
        assert follower.names == {"a"}
        root.mkdir()
        (root / "b.yaml").write_text(service("b"))
        await follower.until(lambda: follower.names == {"b"})
        (root / "c.yaml").write_text(service("c"))
        await follower.until(lambda: follower.names == {"b", "c"})
    lost = await logged(logs, "source.lost")
    assert lost["log_level"] == "error"
    assert lost["objects"] == 1
    assert await logged(logs, "source.found")


async def test_another_folder_takes_its_place(root: Path, follower: Follower) -> None:
    other = root.with_name("other")
    other.mkdir()
    (other / "a.yaml").write_text(service("a", 2))
    root.rename(root.with_name("old"))
    other.rename(root)
    await follower.until(lambda: address(follower, "a") == "10.0.0.2")
    (root / "a.yaml").write_text(service("a", 3))
    await follower.until(lambda: address(follower, "a") == "10.0.0.3")
    assert follower.removed == []


async def test_emptying_the_folder_file_by_file_removes_everything(root: Path, follower: Follower) -> None:
    with capture_logs() as logs:
        (root / "a.yaml").unlink()
        await follower.until(lambda: not follower.names)
        await wait_until(lambda: logged(logs, "source.emptied"))


async def test_names_that_are_no_text(root: Path, follower: Follower) -> None:
    with open(os.fsencode(root) + b"/\xff.yaml", "w") as file:  # noqa: PTH123, ASYNC230 - such a path is bytes
        file.write(service("odd"))
    (root / "b.yaml").write_text(service("b"))
    await follower.until(lambda: "b" in follower.names)
    (root / "b.yaml").write_text(service("b", 2))
    await follower.until(lambda: address(follower, "b") == "10.0.0.2")
    assert follower.names == {"a", "b"}
    assert [finding.message for finding in follower.findings] == ["has a name that is not readable text"]
