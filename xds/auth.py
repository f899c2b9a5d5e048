"""Who may open a stream: the hook that the server asks, and the peer it shows to it.

The library knows no tokens and no certificate formats. An Authenticator turns what the transport knows
into an Identity of its own making, and later says whether that identity may be the Node that the client
claims to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xds.node import Node


@dataclass(frozen=True, slots=True)
class Peer:
    """What the transport knows of a client before its first message.

    ``metadata`` holds the call's metadata (keys in lower case), ``certificate`` the verified client
    certificate in PEM, ``names`` its subject alternative names; both are empty without mutual TLS.
    """

    address: str
    metadata: Mapping[str, str | bytes]
    certificate: bytes | None
    names: Sequence[str]
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client proved to be; ``name`` is for logs and for the application, such as a SPIFFE ID."""

    name: str


class Authenticator(Protocol):
    """Decides about every call; all methods refuse by raising StreamRejected."""

    async def authenticate(self, peer: Peer) -> Identity | None:
        """Who the client is; None admits it without an identity."""

    def authorize(self, identity: Identity | None, node: Node) -> None:
        """Raise StreamRejected (PERMISSION_DENIED) if this identity may not speak for this node."""

    def authorize_reader(self, identity: Identity | None) -> None:
        """Raise StreamRejected (PERMISSION_DENIED) if this identity may not see what other clients were sent."""
