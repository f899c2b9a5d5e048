"""Which nodes a status request asks for: Envoy's ``NodeMatcher``, evaluated.

Regular expressions are refused: the ones that Envoy means cannot run away, Python's can.
"""

from collections.abc import Iterable

from envoy.type.matcher.v3 import node_pb2, string_pb2, struct_pb2, value_pb2
from google.protobuf import struct_pb2 as json_pb2

from xds.errors import ProtocolViolation
from xds.node import Node


def matches_any(matchers: Iterable[node_pb2.NodeMatcher], node: Node) -> bool:
    """True if one of the matchers describes the node, or if there are none. May raise ProtocolViolation."""
    listed = list(matchers)
    return not listed or any(_matches(matcher, node) for matcher in listed)


def _matches(matcher: node_pb2.NodeMatcher, node: Node) -> bool:
    if matcher.HasField("node_id") and not _matches_text(matcher.node_id, node.id):
        return False
    return all(_matches_struct(field, node.message.metadata) for field in matcher.node_metadatas)


def _matches_struct(matcher: struct_pb2.StructMatcher, metadata: json_pb2.Struct) -> bool:
    value = json_pb2.Value(struct_value=metadata)
    for step in matcher.path:
        fields = value.struct_value.fields
        if step.key not in fields:
            return False
        value = fields[step.key]
    return _matches_value(matcher.value, value)


def _matches_value(matcher: value_pb2.ValueMatcher, value: json_pb2.Value) -> bool:
    kind = value.WhichOneof("kind")
    match matcher.WhichOneof("match_pattern"):
        case "string_match":
            return kind == "string_value" and _matches_text(matcher.string_match, value.string_value)
        case "bool_match":
            return kind == "bool_value" and value.bool_value == matcher.bool_match
        case "null_match":
            return kind == "null_value"
        case "present_match":
            return matcher.present_match
        case "or_match":
            return any(_matches_value(one, value) for one in matcher.or_match.value_matchers)
        case "list_match":
            items = value.list_value.values
            return kind == "list_value" and any(_matches_value(matcher.list_match.one_of, item) for item in items)
        case other:
            raise ProtocolViolation(f"node matchers with {other} are not supported")


def _matches_text(matcher: string_pb2.StringMatcher, text: str) -> bool:
    pattern = matcher.WhichOneof("match_pattern")
    if pattern not in {"exact", "prefix", "suffix", "contains"}:
        raise ProtocolViolation(f"string matchers with {pattern} are not supported")
    wanted: str = getattr(matcher, pattern)
    if matcher.ignore_case:
        wanted, text = wanted.lower(), text.lower()
    match pattern:
        case "exact":
            return text == wanted
        case "prefix":
            return text.startswith(wanted)
        case "suffix":
            return text.endswith(wanted)
        case _:
            return wanted in text
