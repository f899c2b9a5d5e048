"""The Node that a client sends with its first request: kept as bytes, parsed when somebody looks."""

from functools import cached_property

from envoy.config.core.v3 import base_pb2


class Node:
    """Who the client says it is.

    ``id`` and ``cluster`` are at hand; everything else is in ``message``, which is parsed on first use
    because most streams of a large fleet differ in nothing else that anybody asks for.
    """

    def __init__(self, raw: bytes, node_id: str, cluster: str) -> None:
        self.raw = raw
        self.id = node_id
        self.cluster = cluster

    @classmethod
    def of(cls, message: base_pb2.Node) -> "Node":
        """A Node made from its message; the message itself is not kept."""
        return cls(message.SerializeToString(deterministic=True), message.id, message.cluster)

    @cached_property
    def message(self) -> base_pb2.Node:
        """The whole ``envoy.config.core.v3.Node``."""
        return base_pb2.Node.FromString(self.raw)

    def __repr__(self) -> str:
        return f"Node({self.id!r}, cluster={self.cluster!r})"
