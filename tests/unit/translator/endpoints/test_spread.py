"""Which of the settings about localities is in force."""

from typing import Any

import pytest

from translator.decode import decode_record
from translator.endpoints.spread import Spread, select_spread
from translator.model.destination_rule import PortPolicy
from translator.model.network import NETWORK
from translator.model.service import Distribution
from translator.model.workload import HOSTNAME, REGION, SUBZONE, ZONE
from translator.objects.destination_rule import (
    LoadBalancerSettings,
    LocalityDistribute,
    LocalityFailover,
    OutlierDetection,
)
from translator.objects.mesh_config import MeshConfig

TO_R2 = LocalityFailover(from_="r1", to="r2")
FAILOVER = {"failover": [{"from": "r1", "to": "r2"}]}
PRIORITY = {"failoverPriority": ["a", "b=c"]}
DISTRIBUTE = {"distribute": [{"from": "r1", "to": {"r2": 100}}]}


def policy(balancer: dict[str, Any] | None, *, detects: bool) -> PortPolicy:
    """A traffic policy from the YAML form of its load balancer."""
    settings, violations = decode_record(balancer or {}, LoadBalancerSettings)
    assert not violations
    return PortPolicy(
        load_balancer=settings if balancer else None, outlier_detection=OutlierDetection() if detects else None
    )


@pytest.mark.parametrize(
    ("balancer", "detects", "expected"),
    [
        (None, False, Spread()),
        (None, True, Spread(failover=True)),
        ({"simple": "RANDOM"}, True, Spread(failover=True)),
        ({"localityLbSetting": {"enabled": False}}, True, Spread()),
        ({"localityLbSetting": FAILOVER}, False, Spread()),
        ({"localityLbSetting": FAILOVER}, True, Spread(failover=True, regions=(TO_R2,))),
        ({"localityLbSetting": PRIORITY}, True, Spread(failover=True, labels=("a", "b=c"))),
        (
            {"localityLbSetting": DISTRIBUTE},
            False,
            Spread(distribute=(LocalityDistribute(from_="r1", to={"r2": 100}),)),
        ),
        ({"zoneAwareLbSetting": {"enabled": False}}, True, Spread(zone_routing=False)),
        ({"zoneAwareLbSetting": {"minClusterSize": 3}}, False, Spread(zone_routing=True, min_cluster_size=3)),
        (
            {"zoneAwareLbSetting": FAILOVER},
            True,
            Spread(failover=True, regions=(TO_R2,), zone_routing=True),
        ),
    ],
)
def test_a_rule_decides(balancer: dict[str, Any] | None, detects: bool, expected: Spread) -> None:  # noqa: FBT001
    assert select_spread(policy(balancer, detects=detects), Distribution.ANY, MeshConfig()) == expected


@pytest.mark.parametrize(
    ("distribution", "labels"),
    [
        (Distribution.SAME_ZONE, (NETWORK, REGION, ZONE)),
        (Distribution.SAME_NODE, (NETWORK, REGION, ZONE, SUBZONE, HOSTNAME)),
    ],
)
def test_a_service_can_wish_for_near_endpoints(distribution: Distribution, labels: tuple[str, ...]) -> None:
    wish = select_spread(PortPolicy(), distribution, MeshConfig())
    assert wish == Spread(failover=True, labels=labels)
    assert wish.weighted
    overridden = policy({"localityLbSetting": {"enabled": False}}, detects=False)
    assert select_spread(overridden, distribution, MeshConfig()) == Spread()


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        ({"localityLbSetting": {"enabled": False}}, Spread()),
        ({"localityLbSetting": {**FAILOVER, "enabled": True}}, Spread(failover=True, regions=(TO_R2,))),
        ({"zoneAwareLbSetting": {}}, Spread(failover=True, zone_routing=True)),
    ],
)
def test_the_mesh_decides_last(mesh: dict[str, Any], expected: Spread) -> None:
    settings, violations = decode_record(mesh, MeshConfig)
    assert settings is not None, violations
    assert select_spread(policy(None, detects=True), Distribution.ANY, settings) == expected
    rule = policy({"localityLbSetting": PRIORITY}, detects=True)
    assert select_spread(rule, Distribution.ANY, settings) == Spread(failover=True, labels=("a", "b=c"))


@pytest.mark.parametrize(
    ("spread", "by_locality", "labels"),
    [
        (Spread(), False, ()),
        (Spread(failover=True), True, ()),
        (Spread(failover=True, labels=("a", "b=c")), False, ("a",)),
        (Spread(failover=True, labels=("a",), regions=(TO_R2,)), True, ("a",)),
        (Spread(distribute=(LocalityDistribute(),)), True, ()),
    ],
)
def test_what_it_depends_on(spread: Spread, by_locality: bool, labels: tuple[str, ...]) -> None:  # noqa: FBT001
    assert spread.by_locality is by_locality
    assert spread.label_names == labels
