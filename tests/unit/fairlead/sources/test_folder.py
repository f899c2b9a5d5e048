"""Only what has changed is read again."""

import os
import shutil
from pathlib import Path

import pytest

from fairlead.sources.folder import FolderReader, Reading, read_file

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mesh"
    folder.mkdir()
    return folder


@pytest.fixture
def reader(root: Path) -> FolderReader:
    return FolderReader(root, file_limit=1000)


def seen(reading: Reading) -> dict[str, list[str] | None]:
    """File -> names of its objects, None for a file that is gone."""
    assert not reading.lost
    return {
        name: None if parsed is None else [each.key.name for each in parsed.objects] for name, parsed in reading.changes
    }


def put(path: Path, name: str) -> None:
    path.write_text(SERVICE.format(name))


def hints(*paths: Path) -> frozenset[str]:
    return frozenset(map(str, paths))


def test_everything_then_only_changes(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    put(root / "b.yaml", "b")
    assert seen(reader.look()) == {"a.yaml": ["a"], "b.yaml": ["b"]}
    assert seen(reader.look()) == {}
    put(root / "b.yaml", "changed")
    assert seen(reader.look()) == {"b.yaml": ["changed"]}
    (root / "a.yaml").unlink()
    assert seen(reader.look()) == {"a.yaml": None}


def test_the_same_content_again_is_no_change(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    reader.look()
    os.utime(root / "a.yaml", ns=(1, 1))
    assert seen(reader.look()) == {}


def test_another_content_of_the_same_size_and_time_is_found(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    reader.look()
    before = (root / "a.yaml").stat()
    put(root / "a.yaml", "b")
    os.utime(root / "a.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert seen(reader.look()) == {"a.yaml": ["b"]}


def test_what_is_being_written_is_left_alone(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    put(root / "b.yaml", "b")
    assert seen(reader.look(unfinished=hints(root / "a.yaml"))) == {"b.yaml": ["b"]}
    assert seen(reader.look(hints(root / "a.yaml"), hints(root / "a.yaml"))) == {}
    assert seen(reader.look()) == {"a.yaml": ["a"]}


def test_what_was_written_to_while_it_was_read_is_read_again(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    put(root / "b.yaml", "b")
    assert seen(reader.without(reader.look(), hints(root / "a.yaml"))) == {"b.yaml": ["b"]}
    assert seen(reader.look(hints(root / "a.yaml"))) == {"a.yaml": ["a"]}
    (root / "a.yaml").unlink()
    assert seen(reader.without(reader.look(), hints(root / "a.yaml"))) == {}
    assert seen(reader.look(hints(root / "a.yaml"))) == {"a.yaml": None}


def test_a_glance_is_for_a_few_small_files(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    assert reader.glance(hints(root / "a.yaml"), frozenset()) is None, "the folder was never looked at"
    reader.look()
    put(root / "a.yaml", "b")
    found = reader.glance(hints(root / "a.yaml"), frozenset())
    assert found is not None
    assert seen(found) == {"a.yaml": ["b"]}
    (root / "b.yaml").write_text("#" * 5000)
    (root / "c").mkdir()
    assert reader.glance(hints(root / "b.yaml"), frozenset()) is None
    assert reader.glance(hints(root / "c"), frozenset()) is None


def test_hints_are_trusted(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    put(root / "b.yaml", "b")
    reader.look()
    put(root / "a.yaml", "a2")
    put(root / "b.yaml", "b2")
    assert seen(reader.look(hints(root / "a.yaml"))) == {"a.yaml": ["a2"]}
    assert seen(reader.look(hints(root / ".b.yaml.swp", root / ".git" / "index"))) == {}
    assert seen(reader.look(hints(root / "b.yaml"))) == {"b.yaml": ["b2"]}
    (root / "a.yaml").unlink()
    assert seen(reader.look(hints(root / "a.yaml", root / "never.yaml"))) == {"a.yaml": None}


def test_hints_of_anything_but_files_lead_to_a_full_look(root: Path, reader: FolderReader) -> None:
    reader.look()
    put(root / "a.yaml", "a")
    (root / "sub").mkdir()
    put(root / "sub" / "b.yaml", "b")
    assert seen(reader.look(hints(root / "sub"))) == {"a.yaml": ["a"], "sub/b.yaml": ["b"]}
    put(root / "a.yaml", "a2")
    (root / "link.yaml").symlink_to("sub/b.yaml")
    assert seen(reader.look(hints(root / "link.yaml"))) == {"a.yaml": ["a2"]}
    put(root / "a.yaml", "a3")
    assert seen(reader.look(hints(root / "..data"))) == {"a.yaml": ["a3"]}
    put(root / "a.yaml", "a4")
    assert seen(reader.look(hints(root))) == {"a.yaml": ["a4"]}


def test_a_folder_that_is_called_like_a_file(root: Path, reader: FolderReader) -> None:
    (root / "a.yaml").mkdir()
    put(root / "a.yaml" / "b.yaml", "b")
    assert seen(reader.look()) == {"a.yaml/b.yaml": ["b"]}
    shutil.rmtree(root / "a.yaml")
    assert seen(reader.look(hints(root / "a.yaml"))) == {"a.yaml/b.yaml": None}


def test_a_file_in_a_linked_folder(root: Path, reader: FolderReader, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    put(tmp_path / "shared" / "a.yaml", "a")
    (root / "link").symlink_to(tmp_path / "shared")
    assert seen(reader.look()) == {"link/a.yaml": ["a"]}
    put(tmp_path / "shared" / "a.yaml", "a2")
    assert seen(reader.look(hints(root / "link" / "a.yaml"))) == {"link/a.yaml": ["a2"]}


def test_too_large_a_file_is_refused_until_it_is_smaller(root: Path, reader: FolderReader) -> None:
    (root / "a.yaml").write_text("#" * 1001)
    ((name, parsed),) = reader.look().changes
    assert name == "a.yaml"
    assert parsed is not None
    assert not parsed.is_complete
    assert parsed.findings[0].message.startswith("is too large: ")
    assert reader.look().changes == []
    put(root / "a.yaml", "a")
    assert seen(reader.look()) == {"a.yaml": ["a"]}


def test_what_cannot_be_read_is_told_once(root: Path, reader: FolderReader) -> None:
    os.mkfifo(root / "pipe.yaml")
    ((_, parsed),) = reader.look().changes
    assert parsed is not None
    assert [finding.message for finding in parsed.findings] == ["is not a regular file"]
    assert reader.look().changes == []
    (root / "pipe.yaml").unlink()
    assert seen(reader.look()) == {"pipe.yaml": None}


def test_a_lost_folder(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    reader.look()
    shutil.rmtree(root)
    assert reader.look().lost == "no such file or directory"
    root.mkdir()
    assert reader.look().lost == "another, empty folder has taken its place"
    put(root / "b.yaml", "b")
    assert seen(reader.look()) == {"a.yaml": None, "b.yaml": ["b"]}


def test_an_emptied_folder_is_not_lost(root: Path, reader: FolderReader) -> None:
    put(root / "a.yaml", "a")
    reader.look()
    (root / "a.yaml").unlink()
    assert seen(reader.look()) == {"a.yaml": None}


def test_a_single_file(root: Path) -> None:
    put(root / "a.yaml", "a")
    assert [each.key.name for each in read_file(root / "a.yaml", "a.yaml", 1000).objects] == ["a"]
    assert "too large" in str(read_file(root / "a.yaml", "a.yaml", 3).findings[0])
    assert "not a regular file" in str(read_file(root, "mesh", 1000).findings[0])
    assert "no such file" in str(read_file(root / "no.yaml", "no.yaml", 1000).findings[0])
