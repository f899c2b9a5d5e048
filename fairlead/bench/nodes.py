"""The simulated proxies' own identities: sidecars spread over the namespaces, and gateways."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from envoy.config.core.v3.base_pb2 import Node
from google.protobuf.json_format import ParseDict

from fairlead.bench.load import GATEWAY_LABELS, GATEWAY_NAMESPACE, namespace_name
from fairlead.identity import ProxyIdentity
from translator.model.proxy import Role
from xds.resource import length_delimited

_NODE_OF_SOTW: Final = 2
_NODE_OF_DELTA: Final = 1
_AGENT: Final[dict[str, Any]] = {
    "user_agent_name": "envoy",
    "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}},
}


def identities(sidecars: int, gateways: int, namespaces: int) -> Iterator[ProxyIdentity]:
    """So many of each; sidecars take turns in the namespaces."""
    for number in range(sidecars):
        yield ProxyIdentity(
            role=Role.SIDECAR,
            namespace=namespace_name(number % namespaces),
            name=f"client-{number}",
            addresses=(f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",),
            labels={"app": "client"},
        )
    for number in range(gateways):
        yield ProxyIdentity(
            role=Role.GATEWAY,
            namespace=GATEWAY_NAMESPACE,
            name=f"gateway-{number}",
            addresses=(f"10.95.{number >> 8 & 255}.{number & 255}",),
            labels=GATEWAY_LABELS,
        )


def encode_node(identity: ProxyIdentity, *, delta: bool) -> bytes:
    """The Node as the field of a first request."""
    node = ParseDict(_node(identity), Node())
    return length_delimited(_NODE_OF_DELTA if delta else _NODE_OF_SOTW, node.SerializeToString(deterministic=True))


def encode_node_as_json(identity: ProxyIdentity) -> bytes:
    """The Node as requests over REST carry it."""
    return msgspec.json.encode(_node(identity))


def _node(identity: ProxyIdentity) -> dict[str, Any]:
    return {**identity.node(), **_AGENT}
