"""Seams: where the own virtual hosts of a table are set into a block that many tables have in common."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from translator.routes.table import HostBlock, HostList
from xds.resource import Reference
from xds.types import CLUSTER


class Seam:
    """Joins a block and own hosts. Where each belongs is found out once, as long as only routes change."""

    def __init__(self) -> None:
        self._places: tuple[tuple[slice, slice], ...] = ()
        self._places_of: tuple[Any, ...] = ()
        self._references: tuple[Reference, ...] = ()
        self._references_of: tuple[Any, ...] = ()

    def join(self, block: HostBlock, hidden: Mapping[str, tuple[str, ...]], own: HostBlock) -> HostList:
        """The block's hosts but for ``hidden`` names, and the own ones, in order. What is given must not change."""
        places_of = (block.names, hidden, own.names)
        if not _are_same(places_of, self._places_of):
            self._places, self._places_of = tuple(_places(*places_of)), places_of
        references_of = (block.clusters, hidden, own.clusters)
        if not _are_same(references_of, self._references_of):
            self._references, self._references_of = _references(block, hidden, own), references_of
        records: list[bytes] = []
        for common, mine in self._places:
            records += block.hosts.records[common]
            records += own.hosts.records[mine]
        return HostList(tuple(records), self._references)


def _are_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(each is known for each, known in zip(one, other, strict=True))


def _places(
    block: tuple[str, ...], hidden: Mapping[str, tuple[str, ...]], own: tuple[str, ...]
) -> Iterator[tuple[slice, slice]]:
    """By turns how much comes of the block and how much of the own hosts."""
    at = mine = 0
    gone = {name for names in hidden.values() for name in names}
    for name in sorted(gone.union(own)):
        position = bisect_left(block, name, at)
        is_own = mine < len(own) and own[mine] == name
        yield slice(at, position), slice(mine, mine + is_own)
        at = position + (position < len(block) and block[position] == name)
        mine += is_own
    yield slice(at, len(block)), slice(0, 0)


def _references(block: HostBlock, hidden: Mapping[str, tuple[str, ...]], own: HostBlock) -> tuple[Reference, ...]:
    """The clusters that are sent to: mostly own hosts are common ones to others, and send to the same."""
    used = {reference.name for reference in own.hosts.references}
    fewer = Counter(
        cluster for names in hidden.values() for name in names for cluster in block.clusters.get(name) or ()
    )
    gone = {cluster for cluster, count in fewer.items() if block.users.get(cluster) == count} - used
    more = {cluster for cluster in used if not block.users.get(cluster)}
    if not gone and not more:
        return block.hosts.references
    kept = [reference for reference in block.hosts.references if reference.name not in gone]
    return tuple(sorted((*kept, *(Reference(CLUSTER, cluster) for cluster in more))))
