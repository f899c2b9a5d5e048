"""Rules for load balancing between localities (``region/zone/subzone``)."""

from collections.abc import Sequence
from typing import Final

from translator.objects.destination_rule import (
    LocalityDistribute,
    LocalityFailover,
    LocalityLoadBalancerSetting,
    ZoneAwareLoadBalancerSetting,
)
from translator.validation.report import Report, indexed, keyed

_TOPOLOGY_LABELS: Final = frozenset(
    {"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"}
)


def check_locality_setting(report: Report, path: str, setting: LocalityLoadBalancerSetting | None) -> None:
    """Rule: distribution or failover, not both; shares of each origin add up to 100."""
    if setting is None:
        return
    if setting.distribute and setting.failover:
        report.error(path, "only one of distribute and failover can be set")
    if setting.failover:
        _exclude_topology_labels(report, path, setting.failover_priority, "cannot be combined with failover")
    for entry, distribute in indexed(f"{path}.distribute", setting.distribute):
        _check_shares(report, f"{entry}.to", distribute)
    origins = [(f"{entry}.from", item.from_) for entry, item in indexed(f"{path}.distribute", setting.distribute)]
    _check_localities(report, origins)
    _check_failover(report, path, setting.failover)


def check_zone_aware_setting(report: Report, path: str, setting: ZoneAwareLoadBalancerSetting | None) -> None:
    """Rule: regions and zones take care of themselves, so no label of theirs can be a priority."""
    if setting is None:
        return
    _exclude_topology_labels(report, path, setting.failover_priority, "is taken care of by zone awareness itself")
    _check_failover(report, path, setting.failover)


def has_failover(setting: LocalityLoadBalancerSetting | ZoneAwareLoadBalancerSetting | None) -> bool:
    """Whether a setting asks for failover, which works only with outlier detection."""
    return setting is not None and bool(setting.failover or setting.failover_priority)


def _exclude_topology_labels(report: Report, path: str, labels: Sequence[str], reason: str) -> None:
    for entry, label in indexed(f"{path}.failoverPriority", labels):
        if label.partition("=")[0] in _TOPOLOGY_LABELS:
            report.error(entry, f"{label!r} {reason}")


def _check_shares(report: Report, path: str, distribute: LocalityDistribute) -> None:
    for entry, _, weight in keyed(path, distribute.to):
        if not 1 <= weight <= 100:
            report.error(entry, f"{weight} is not in the range 1..100")
    total = sum(distribute.to.values())
    if total != 100:
        report.error(path, f"the shares add up to {total}, not to 100")
    _check_localities(report, [(entry, locality) for entry, locality, _ in keyed(path, distribute.to)])


def _check_localities(report: Report, localities: Sequence[tuple[str, str]]) -> None:
    """Rule: non-empty parts, ``*`` only at the end, and no locality within another."""
    seen: list[str] = []
    for path, locality in localities:
        if not all(locality.split("/", 2)):
            report.error(path, f"{locality!r} has an empty region, zone or subzone")
        elif "*" in locality[:-1]:
            report.error(path, f"{locality!r}: '*' may only stand at the end")
        else:
            earlier = next((other for other in seen if _overlaps(other, locality)), None)
            if earlier is not None:
                report.error(path, f"{locality!r} overlaps with {earlier!r}")
            seen.append(locality)


def _overlaps(one: str, other: str) -> bool:
    """Whether some subzone belongs to both: a part that is missing or ``*`` stands for all."""
    pairs = zip(one.split("/", 2), other.split("/", 2), strict=False)
    return all(mine == theirs or "*" in (mine, theirs) for mine, theirs in pairs)


def _check_failover(report: Report, path: str, failovers: Sequence[LocalityFailover]) -> None:
    for entry, failover in indexed(f"{path}.failover", failovers):
        if failover.from_ == failover.to:
            report.error(entry, "from and to must be different regions")
        for field, region in (("from", failover.from_), ("to", failover.to)):
            if "/" in region or "*" in region:
                report.error(f"{entry}.{field}", f"{region!r} is not the name of a region")
