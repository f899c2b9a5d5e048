"""Which files of a folder are read."""

import os
from pathlib import Path

import pytest

from fairlead.sources.tree import is_document, walk


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.json", "A.YAML", "a.b.yaml"])
def test_documents(name: str) -> None:
    assert is_document(name)


@pytest.mark.parametrize(
    "name",
    [".a.yaml", "a.yaml~", "#a.yaml#", ".#a.yaml", "a.yaml.swp", ".a.yaml.swp", "4913", "a.yaml.bak", "a.txt", "a"],
)
def test_what_editors_leave_behind_is_no_document(name: str) -> None:
    assert not is_document(name)


def test_nested_folders(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/x.json", "a/b/c.yml", "a/.git/y.yaml", "a/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tree = walk(tmp_path)
    assert list(tree.files) == ["a/b/c.yml", "a/x.json", "b.yaml"]
    assert tree.faults == {}


def test_a_mounted_config_map(tmp_path: Path) -> None:
    (tmp_path / "..2024_01").mkdir()
    (tmp_path / "..2024_01" / "a.yaml").touch()
    (tmp_path / "..data").symlink_to("..2024_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    before = walk(tmp_path)
    assert list(before.files) == ["a.yaml"]
    (tmp_path / "..2024_02").mkdir()
    (tmp_path / "..2024_02" / "a.yaml").touch()
    (tmp_path / "..tmp").symlink_to("..2024_02")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    after = walk(tmp_path)
    assert list(after.files) == ["a.yaml"]
    assert after.files != before.files


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    real = tmp_path / "outside" / "shared"
    real.mkdir(parents=True)
    (real / "a.yaml").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "one").symlink_to(real)
    (root / "two").symlink_to(real)
    tree = walk(root)
    assert list(tree.files) == ["one/a.yaml"]
    assert list(tree.faults) == ["two"]


def test_links_to_a_file_that_is_read_anyway(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").touch()
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    tree = walk(tmp_path)
    assert list(tree.files) == ["real.yaml"]
    assert tree.faults == {}


def test_loops_end(tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "again").symlink_to("..")
    (tmp_path / "x.yaml").symlink_to("y.yaml")
    (tmp_path / "y.yaml").symlink_to("x.yaml")
    tree = walk(tmp_path)
    assert tree.files == {}
    assert "symbolic link" in tree.faults.pop("up/again")
    assert list(tree.faults) == ["x.yaml", "y.yaml"]
    assert all("symbolic links" in reason for reason in tree.faults.values())


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "folder.yaml" / "a.yaml").touch()
    tree = walk(tmp_path)
    assert list(tree.files) == ["folder.yaml/a.yaml"]
    assert tree.faults == {
        "gone.yaml": "is a symbolic link to something that does not exist",
        "pipe.yaml": "is not a regular file",
    }


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walk(tmp_path / "nowhere")
