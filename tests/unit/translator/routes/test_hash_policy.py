"""Consistent hashing: which setting applies, and how it is encoded."""

import pytest
import yaml

from tests.unit.translator.mesh_kit import writes
from tests.unit.translator.routes.tables import Tree, networking, tree
from translator.model.destination_rule import DestinationPolicy
from translator.objects.destination_rule import ConsistentHashLB, DestinationRule
from translator.routes.hash_policy import build_hash_policy, consistent_hash


def policy(spec: str) -> DestinationPolicy:
    (write,) = writes(networking("DestinationRule", "rule", spec))
    assert isinstance(write.value, DestinationRule)
    source = write.value.spec
    return DestinationPolicy(
        sources=(write.key,), export=frozenset("*"), traffic_policy=source.traffic_policy, subsets=source.subsets
    )


def hashing(text: str) -> ConsistentHashLB:
    spec = {"host": "a", "trafficPolicy": {"loadBalancer": {"consistentHash": yaml.safe_load(text)}}}
    found = consistent_hash(policy(yaml.safe_dump(spec)), "", 0)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("httpHeaderName: x-user", {"header": {"header_name": "x-user"}}),
        ("httpCookie: {name: c}", {"cookie": {"name": "c"}}),
        ("httpCookie: {name: c, ttl: 0s, path: /p}", {"cookie": {"name": "c", "ttl": "0s", "path": "/p"}}),
        (
            "httpCookie: {name: c, ttl: 1h, attributes: [{name: SameSite, value: Strict}, {name: Secure}]}",
            {
                "cookie": {
                    "name": "c",
                    "ttl": "3600s",
                    "attributes": [{"name": "SameSite", "value": "Strict"}, {"name": "Secure"}],
                }
            },
        ),
        ("useSourceIp: true", {"connection_properties": {"source_ip": True}}),
        ("httpQueryParameterName: q", {"query_parameter": {"name": "q"}}),
    ],
)
def test_case_23_a_setting_is_encoded(text: str, expected: Tree) -> None:
    assert tree(build_hash_policy(hashing(text))) == expected


@pytest.mark.parametrize("text", ["useSourceIp: false", "maglev: {tableSize: 65537}"])
def test_nothing_to_hash_by(text: str) -> None:
    assert build_hash_policy(hashing(text)) is None


def balancer(header: str) -> Tree:
    return {"loadBalancer": {"consistentHash": {"httpHeaderName": header}}}


EVERYTHING = {
    "host": "a",
    "trafficPolicy": {
        **balancer("top"),
        "portLevelSettings": [{"port": {"number": 80}, **balancer("top-port")}],
    },
    "subsets": [
        {
            "name": "full",
            "trafficPolicy": {
                **balancer("subset"),
                "portLevelSettings": [{"port": {"number": 80}, **balancer("subset-port")}],
            },
        },
        {"name": "general", "trafficPolicy": balancer("subset")},
        {"name": "simple", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}},
        {"name": "plain"},
    ],
}


@pytest.mark.parametrize(
    ("subset", "port", "header"),
    [
        ("full", 80, "subset-port"),
        ("full", 81, "subset"),
        ("full", 0, "subset"),
        ("general", 80, "subset"),
        ("simple", 80, "top-port"),
        ("plain", 80, "top-port"),
        ("plain", 0, "top"),
        ("unknown", 0, "top"),
        ("", 80, "top-port"),
        ("", 81, "top"),
    ],
)
def test_case_23_subsets_come_first_and_ports_only_when_they_are_named(subset: str, port: int, header: str) -> None:
    found = consistent_hash(policy(yaml.safe_dump(EVERYTHING)), subset, port)
    assert found is not None
    assert found.http_header_name == header


def test_no_policy_no_hashing() -> None:
    assert consistent_hash(None, "v1", 80) is None
    assert consistent_hash(policy("host: a"), "v1", 80) is None
