"""Node matchers: by id and by metadata."""

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.type.matcher.v3 import node_pb2
from google.protobuf import json_format

from xds.errors import ProtocolViolation
from xds.matchers import matches_any
from xds.node import Node

NODE = Node.of(
    json_format.ParseDict(
        {
            "id": "web-1",
            "metadata": {"NAMESPACE": "shop", "LABELS": {"app": "web"}, "ON": True, "PORTS": [1, "x"], "NO": None},
        },
        base_pb2.Node(),
    )
)


def matcher(**fields: object) -> node_pb2.NodeMatcher:
    return json_format.ParseDict(fields, node_pb2.NodeMatcher())


def metadata(path: str, value: dict[str, object]) -> dict[str, object]:
    return {"path": [{"key": key} for key in path.split(".")], "value": value}


@pytest.mark.parametrize(
    ("node_id", "expected"),
    [
        ({"exact": "web-1"}, True),
        ({"exact": "WEB-1"}, False),
        ({"exact": "WEB-1", "ignore_case": True}, True),
        ({"prefix": "web"}, True),
        ({"suffix": "-2"}, False),
        ({"contains": "b-"}, True),
    ],
)
def test_ids(node_id: dict[str, object], *, expected: bool) -> None:
    assert matches_any([matcher(node_id=node_id)], NODE) is expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("NAMESPACE", {"string_match": {"exact": "shop"}}, True),
        ("NAMESPACE", {"string_match": {"exact": "bank"}}, False),
        ("NAMESPACE", {"bool_match": True}, False),
        ("LABELS.app", {"string_match": {"prefix": "w"}}, True),
        ("LABELS.version", {"string_match": {"prefix": "w"}}, False),
        ("ON", {"bool_match": True}, True),
        ("NO", {"null_match": {}}, True),
        ("NAMESPACE", {"present_match": True}, True),
        ("PORTS", {"list_match": {"one_of": {"string_match": {"exact": "x"}}}}, True),
        ("NAMESPACE", {"or_match": {"value_matchers": [{"bool_match": True}, {"present_match": True}]}}, True),
    ],
)
def test_metadata(path: str, value: dict[str, object], *, expected: bool) -> None:
    assert matches_any([matcher(node_metadatas=[metadata(path, value)])], NODE) is expected


def test_several_matchers_are_alternatives_and_none_matches_all() -> None:
    wrong, right = matcher(node_id={"exact": "x"}), matcher(node_id={"exact": "web-1"})
    assert matches_any([wrong, right], NODE)
    assert not matches_any([wrong], NODE)
    assert matches_any([], NODE)


@pytest.mark.parametrize(
    "fields",
    [
        {"node_id": {"safe_regex": {"regex": "(a+)+$"}}},
        {"node_id": {}},
        {"node_metadatas": [metadata("NAMESPACE", {})]},
        {"node_metadatas": [metadata("NAMESPACE", {"double_match": {"exact": 1}})]},
    ],
)
def test_what_is_not_supported_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ProtocolViolation, match="not supported"):
        matches_any([matcher(**fields)], NODE)
