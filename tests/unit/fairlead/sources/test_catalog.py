"""Which object of which file is in force, whatever happens to the files."""

from collections.abc import Iterator

import pytest

from fairlead.finding import Place
from fairlead.sources.catalog import Catalog
from fairlead.sources.document import ParsedFile, PlacedObject
from translator.objects.core import Service, ServiceSpec
from translator.objects.meta import Metadata
from translator.objects.registry import Kind, ObjectKey
from translator.store import Write

A = ObjectKey(Kind.SERVICE, "default", "a")
B = ObjectKey(Kind.SERVICE, "default", "b")


def version(key: ObjectKey, number: int) -> Service:
    """One of several forms of a Service."""
    metadata = Metadata(name=key.name, namespace=key.namespace)
    return Service(metadata=metadata, spec=ServiceSpec(cluster_ip=f"10.0.0.{number}"))


def holding(file: str, *objects: tuple[ObjectKey, int], **rest: object) -> ParsedFile:
    placed = (
        PlacedObject(key, version(key, number), Place(file, position, position))
        for position, (key, number) in enumerate(objects, 1)
    )
    return ParsedFile(tuple(placed), **rest)  # type: ignore[arg-type]


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


def writes(catalog: Catalog) -> dict[ObjectKey, Service | None]:
    return dict(catalog.take_writes())  # type: ignore[arg-type]


def finish(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def replace(catalog: Catalog, file: str, parsed: ParsedFile, now: float) -> None:
    finish(catalog.replace(file, parsed, now))


def messages(catalog: Catalog) -> list[str]:
    return [str(finding) for finding in catalog.take_findings() or ()]


def test_objects_come_into_force_once(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1), (B, 1)), 0)
    assert writes(catalog) == {A: version(A, 1), B: version(B, 1)}
    replace(catalog, "x", holding("x", (A, 1), (B, 2)), 1)
    assert list(catalog.take_writes()) == [Write(B, version(B, 2))]
    assert len(catalog) == 2
    assert catalog.place_of(B) == Place("x", 2, 2)


def test_what_is_gone_stays_until_it_expires(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1), (B, 1)), 0)
    writes(catalog)
    replace(catalog, "x", holding("x", (A, 1)), 10)
    assert writes(catalog) == {}
    assert catalog.next_expiry == 10
    finish(catalog.expire(9))
    assert writes(catalog) == {}
    finish(catalog.expire(10))
    assert writes(catalog) == {B: None}
    assert len(catalog) == 1


def test_what_comes_back_in_time_was_never_gone(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1)), 0)
    writes(catalog)
    replace(catalog, "x", ParsedFile(), 1)
    replace(catalog, "x", holding("x", (A, 1)), 2)
    finish(catalog.expire(100))
    assert writes(catalog) == {}
    assert len(catalog) == 1


def test_a_rename_takes_nothing_away(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1)), 0)
    writes(catalog)
    finish(catalog.remove("x", 1))
    replace(catalog, "y", holding("y", (A, 1)), 1)
    finish(catalog.expire(1))
    assert writes(catalog) == {}
    assert catalog.place_of(A) == Place("y", 1, 1)


def test_a_rename_with_a_change_is_in_force_at_once(catalog: Catalog) -> None:
    replace(catalog, "a", holding("a", (A, 1)), 0)
    writes(catalog)
    finish(catalog.remove("a", 1))
    replace(catalog, "b", holding("b", (A, 2)), 1)
    assert writes(catalog) == {A: version(A, 2)}
    assert messages(catalog) == []


def test_a_removed_file_takes_its_objects_with_it(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1)), 0)
    writes(catalog)
    finish(catalog.remove("x", 1))
    finish(catalog.remove("never-there", 1))
    finish(catalog.expire(1))
    assert writes(catalog) == {A: None}
    replace(catalog, "x", holding("x", (A, 1)), 2)
    assert writes(catalog) == {A: version(A, 1)}


def test_a_broken_object_leaves_its_last_good_version_in_force(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1), (B, 1)), 0)
    writes(catalog)
    replace(catalog, "x", holding("x", (B, 2), broken=frozenset({A})), 1)
    finish(catalog.expire(100))
    assert writes(catalog) == {B: version(B, 2)}
    replace(catalog, "x", holding("x", (B, 2)), 2)
    finish(catalog.expire(100))
    assert writes(catalog) == {A: None}


def test_an_unreadable_part_leaves_everything_in_force(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1), (B, 1)), 0)
    writes(catalog)
    replace(catalog, "x", ParsedFile(is_complete=False), 1)
    finish(catalog.expire(100))
    assert writes(catalog) == {}


def test_what_is_broken_after_it_was_gone_is_not_gone(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1)), 0)
    writes(catalog)
    replace(catalog, "x", ParsedFile(), 1)
    replace(catalog, "x", ParsedFile(is_complete=False), 2)
    finish(catalog.expire(100))
    assert writes(catalog) == {}


def test_the_first_file_by_name_wins(catalog: Catalog) -> None:
    replace(catalog, "b", holding("b", (A, 2)), 0)
    assert writes(catalog) == {A: version(A, 2)}
    replace(catalog, "a", holding("a", (A, 1)), 1)
    assert writes(catalog) == {A: version(A, 1)}
    assert messages(catalog) == [
        "b:1: warning: Service default/a: has no effect: a:1 holds the same object and comes first [FL0003]"
    ]
    finish(catalog.remove("a", 2))
    finish(catalog.expire(2))
    assert writes(catalog) == {A: version(A, 2)}
    assert messages(catalog) == []


def test_in_one_file_the_first_document_wins(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1), (A, 2)), 0)
    assert writes(catalog) == {A: version(A, 1)}
    (message,) = messages(catalog)
    assert message.startswith("x:2 (document 2): warning: Service default/a: has no effect: x:1 holds the same object")


def test_findings_are_told_when_they_change(catalog: Catalog) -> None:
    assert catalog.take_findings() is None
    replace(catalog, "x", holding("x", (A, 1), (A, 2)), 0)
    assert catalog.take_findings()
    replace(catalog, "x", holding("x", (A, 1), (A, 2)), 1)
    assert catalog.take_findings() is None
    finish(catalog.remove("x", 2))
    assert catalog.take_findings() == ()


def test_nothing_expires_when_nothing_is_gone(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1)), 0)
    assert catalog.next_expiry is None


def test_sparing_starts_the_time_again(catalog: Catalog) -> None:
    replace(catalog, "x", holding("x", (A, 1)), 0)
    writes(catalog)
    finish(catalog.remove("x", 1))
    catalog.spare(50)
    finish(catalog.expire(49))
    assert writes(catalog) == {}
    finish(catalog.expire(50))
    assert writes(catalog) == {A: None}
