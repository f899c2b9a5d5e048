"""The arithmetic of localities: endpoints in groups, the weights and the priorities of the groups."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from translator.endpoints.spread import Spread
from translator.model.endpoint import Endpoint
from translator.model.network import NETWORK
from translator.model.proxy import IpFamilies
from translator.model.workload import split_locality
from translator.objects.destination_rule import LocalityDistribute, LocalityFailover

Locality = tuple[str, str, str]

# Envoy adds the weights of a priority up in 32 bits.
_MAX_WEIGHT: Final = 2**32 - 1
_ANY: Final = "*"

_OTHER_REGION: Final = 3
_BEYOND_FAILOVER: Final = 4


class NetworkPlace(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """The network that a client is in, the IP versions it dials, and, unless it sees all, the networks it sees."""

    name: str
    families: IpFamilies
    view: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """Where a client is. Whatever does not matter for what is asked stays empty, so that clients share answers.

    ``cluster`` is the one that a client is held to; ``network`` is None unless some networks are apart.
    """

    locality: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    node: str = ""
    cluster: str = ""
    network: NetworkPlace | None = None


class LocalityGroup(msgspec.Struct, frozen=True):
    """Endpoints of one locality and priority; ``weight`` is the group's share among those of its priority."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    weight: int
    priority: int = 0


def group_endpoints(endpoints: Iterable[Endpoint]) -> list[LocalityGroup]:
    """Endpoints by locality, sorted; within a locality they keep their order. A group weighs what they weigh."""
    by_text: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        by_text.setdefault(endpoint.workload.locality, []).append(endpoint)
    # "region/zone" and "region/zone/" are the same place.
    by_locality: dict[Locality, list[Endpoint]] = {}
    for text, members in by_text.items():
        by_locality.setdefault(split_locality(text), []).extend(members)
    return [_group(locality, members) for locality, members in sorted(by_locality.items(), key=lambda item: item[0])]


def spread_groups(groups: Sequence[LocalityGroup], spread: Spread, place: Place) -> list[LocalityGroup]:
    """Weights or priorities of the groups as a client at ``place`` is to see them; groups without load are dropped."""
    own = split_locality(place.locality)
    if spread.distribute:
        return _distribute(groups, spread.distribute, own)
    if not spread.failover:
        return list(groups)
    if not spread.labels:
        return _renumber(_by_locality(groups, spread, own))
    refined = _by_labels(groups, spread.labels, dict(place.labels))
    if spread.regions:
        # The labels decide, the locality breaks their ties.
        steps = _BEYOND_FAILOVER + 1 if spread.zone_routing is None else _OTHER_REGION
        nearness = _by_locality(refined, spread, own)
        refined = [
            msgspec.structs.replace(group, priority=group.priority * steps + near.priority)
            for group, near in zip(refined, nearness, strict=True)
        ]
    return _renumber(refined)


def matches_locality(pattern: str, locality: Locality) -> bool:
    """Whether a locality is one of ``region/zone/subzone``; ``*`` and missing parts mean any."""
    wanted = split_locality(pattern)
    return all(part in ("", _ANY, actual) for part, actual in zip(wanted, locality, strict=True))


def _group(locality: Locality, endpoints: Sequence[Endpoint], priority: int = 0) -> LocalityGroup:
    weight = sum(endpoint.weight or 1 for endpoint in endpoints)
    return LocalityGroup(locality, tuple(endpoints), min(weight, _MAX_WEIGHT), priority)


def _distribute(
    groups: Sequence[LocalityGroup], rules: Iterable[LocalityDistribute], own: Locality
) -> list[LocalityGroup]:
    """Istio: the first rule for the client's locality divides the traffic; localities that it does not name get none.

    The share of a target is divided among the groups it matches in proportion to their own weights.
    """
    rule = next((rule for rule in rules if matches_locality(rule.from_, own)), None)
    if rule is None:
        return list(groups)
    shares: dict[Locality, int] = {}
    for pattern, share in sorted(rule.to.items()):
        matched = [
            group for group in groups if group.locality not in shares and matches_locality(pattern, group.locality)
        ]
        total = sum(group.weight for group in matched)
        shares.update({group.locality: -(-group.weight * share // total) for group in matched})
    return [
        msgspec.structs.replace(group, weight=shares[group.locality]) for group in groups if shares.get(group.locality)
    ]


def _by_locality(groups: Iterable[LocalityGroup], spread: Spread, own: Locality) -> list[LocalityGroup]:
    failover = next((each for each in spread.regions if each.from_ == own[0]), None)
    nearness = _region_nearness if spread.zone_routing is not None else _nearness
    return [msgspec.structs.replace(group, priority=nearness(group.locality, own, failover)) for group in groups]


def _nearness(locality: Locality, own: Locality, failover: LocalityFailover | None) -> int:
    """Istio: 0 for the same sub-zone, 1 for the zone, 2 for the region, 3 for others; 4 where failover goes past."""
    if locality[0] != own[0]:
        return _BEYOND_FAILOVER if failover and locality[0] != failover.to else _OTHER_REGION
    if locality[1] != own[1]:
        return 2
    return int(locality[2] != own[2])


def _region_nearness(locality: Locality, own: Locality, failover: LocalityFailover | None) -> int:
    """Istio: where Envoy prefers zones by itself, only regions get priorities."""
    if locality[0] == own[0]:
        return 0
    return 1 if failover and locality[0] == failover.to else 2


def _by_labels(groups: Iterable[LocalityGroup], labels: Sequence[str], own: Mapping[str, str]) -> list[LocalityGroup]:
    """Split every group by how many of the labels, counted from the first, its endpoints share with the client."""
    wanted = [_wanted(label, own) for label in labels]
    split: list[LocalityGroup] = []
    for group in groups:
        parts: dict[int, list[Endpoint]] = {}
        for endpoint in group.endpoints:
            parts.setdefault(_label_distance(endpoint.workload.labels, wanted), []).append(endpoint)
        split += [_group(group.locality, members, distance) for distance, members in sorted(parts.items())]
    return split


def _wanted(label: str, own: Mapping[str, str]) -> tuple[str, str]:
    """Istio: ``name=value`` asks for that value, a name alone for the client's own."""
    name, equals, value = label.partition("=")
    return name, value if equals else own.get(name, "")


def _label_distance(labels: Mapping[str, str], wanted: Sequence[tuple[str, str]]) -> int:
    """Istio: the earlier the first label that differs, the farther; another network is farther than all the rest."""
    steps = len(wanted)
    differing = (position for position, (name, value) in enumerate(wanted) if labels.get(name, "") != value)
    first = next(differing, steps)
    if first == 0 and wanted[0][0] == NETWORK:
        return steps + steps - next(differing, steps)
    return steps - first


def _renumber(groups: Sequence[LocalityGroup]) -> list[LocalityGroup]:
    """Envoy rejects gaps between priorities."""
    ranks = {priority: rank for rank, priority in enumerate(sorted({group.priority for group in groups}))}
    return [msgspec.structs.replace(group, priority=ranks[group.priority]) for group in groups]
