"""The store: what a write touches, and what the indexes answer."""

from collections.abc import Iterator

from translator.objects import core
from translator.objects.meta import Metadata
from translator.objects.registry import Kind, ObjectKey
from translator.store import Index, IndexEntry, Store, Write


def _by_label(_key: ObjectKey, source: core.Pod, suffix: str) -> Iterator[tuple[str, str]]:
    for value in source.metadata.labels.values():
        yield value, source.metadata.name + suffix


BY_LABEL: Index[str, str] = Index("by-label", {Kind.POD: _by_label})


def pod(name: str, *labels: str, phase: str = "Running") -> Write:
    """A write of a pod with label values."""
    metadata = Metadata(name=name, namespace="shop", labels={f"key-{value}": value for value in labels})
    return Write(ObjectKey(Kind.POD, "shop", name), core.Pod(metadata=metadata, status=core.PodStatus(phase=phase)))


def gone(name: str) -> Write:
    """A write that removes a pod."""
    return Write(ObjectKey(Kind.POD, "shop", name), None)


def store_with(*writes: Write) -> Store:
    """A store with one index after these writes."""
    store = Store([BY_LABEL], "!")
    store.apply(writes)
    return store


def entry(value: str) -> IndexEntry:
    """An entry of the test's index."""
    return IndexEntry("by-label", value)


def test_an_insertion_touches_its_row_and_the_entries_it_joins() -> None:
    touched = Store([BY_LABEL], "!").apply([pod("a", "x", "y")])
    assert touched == {ObjectKey(Kind.POD, "shop", "a"), entry("x"), entry("y")}


def test_an_equal_object_touches_nothing() -> None:
    assert store_with(pod("a", "x")).apply([pod("a", "x")]) == set()


def test_a_change_that_no_index_reads_touches_the_row_alone() -> None:
    store = store_with(pod("a", "x"))
    assert store.apply([pod("a", "x", phase="Failed")]) == {ObjectKey(Kind.POD, "shop", "a")}


def test_moving_between_entries_touches_both_and_not_the_others() -> None:
    store = store_with(pod("a", "x", "z"), pod("b", "y", "z"))
    assert store.apply([pod("a", "y", "z")]) == {ObjectKey(Kind.POD, "shop", "a"), entry("x"), entry("y")}
    assert store.members(entry("x")) == ()
    assert store.members(entry("y")) == ("a!", "b!")
    assert store.members(entry("z")) == ("a!", "b!")


def test_members_are_sorted_whatever_the_order_of_writes() -> None:
    store = store_with(pod("c", "x"), pod("a", "x"), pod("b", "x"))
    assert store.members(entry("x")) == ("a!", "b!", "c!")


def test_a_removal_touches_row_and_entries_and_a_second_one_nothing() -> None:
    store = store_with(pod("a", "x"))
    assert store.apply([gone("a")]) == {ObjectKey(Kind.POD, "shop", "a"), entry("x")}
    assert store.apply([gone("a")]) == set()
    assert len(store) == 0


def test_a_member_that_two_rows_contribute_stays_until_both_are_gone() -> None:
    def same(_key: ObjectKey, _source: core.Pod, _suffix: str) -> Iterator[tuple[str, str]]:
        yield "entry", "member"

    store = Store([Index("same", {Kind.POD: same})], "")
    store.apply([pod("a"), pod("b")])
    assert IndexEntry("same", "entry") not in store.apply([gone("a")])
    assert store.members(IndexEntry("same", "entry")) == ("member",)
    assert IndexEntry("same", "entry") in store.apply([gone("b")])
    assert store.members(IndexEntry("same", "entry")) == ()


def test_objects_of_two_clusters_stand_side_by_side() -> None:
    store = Store([BY_LABEL], "")
    own, other = pod("a", "x"), pod("a", "x", phase="Failed")
    theirs = Write(other.key._replace(cluster="east"), other.value)
    store.apply([own, theirs])
    assert (store.get(own.key), store.get(theirs.key)) == (own.value, theirs.value)
    assert store.apply([Write(theirs.key, None)]) == {theirs.key}
    assert store.get(own.key) == own.value


def test_an_entry_may_grow_long_and_become_short_again() -> None:
    store = store_with()
    names = [f"pod-{number:02}" for number in range(50)]
    for count, name in enumerate(reversed(names), start=1):
        assert entry("x") in store.apply([pod(name, "x")])
        assert store.members(entry("x")) == tuple(f"{each}!" for each in names[-count:])
    for count, name in enumerate(names, start=1):
        assert entry("x") in store.apply([gone(name)])
        assert store.members(entry("x")) == tuple(f"{each}!" for each in names[count:])
