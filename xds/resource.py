"""A named Envoy resource, serialised once and shared by every stream that sends it.

The pieces that a response is joined from (protobuf allows concatenation of repeated-field records)
are derived here, so that no response ever re-encodes a resource.
"""

from functools import cache, lru_cache
from typing import Final, NamedTuple

import xxhash

from xds.types import TypeUrl

_LENGTH_DELIMITED = 2
# Varints of one byte: most lengths and every tag.
_SHORT: Final = tuple(bytes((value,)) for value in range(0x80))


class Reference(NamedTuple):
    """A resource of another type that must exist for this one to work: a listener's route table, a route's cluster."""

    type_url: TypeUrl
    name: str


class Resource:
    """One named resource: immutable, compared by content.

    ``version`` is a hash of ``body`` unless one is given, so equal bytes have equal versions on every
    replica and after every restart. A resource is sent again when its version changes, and only then.
    ``references`` let the protocol layer keep make-before-break order without
    understanding the message.
    """

    __slots__ = (
        "_delta_head",
        "_delta_tail",
        "_reference_set",
        "_sotw_head",
        "body",
        "name",
        "references",
        "type_url",
        "version",
    )

    def __init__(
        self,
        type_url: TypeUrl,
        name: str,
        body: bytes,
        references: tuple[Reference, ...] = (),
        *,
        version: str | None = None,
    ) -> None:
        self.type_url = type_url
        self.name = name
        self.body = body
        self.references = references
        self.version = xxhash.xxh3_64_hexdigest(body) if version is None else version
        self._reference_set: frozenset[Reference] | None = None
        self._sotw_head: bytes | None = None
        self._delta_head: bytes | None = None
        self._delta_tail: bytes | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Resource):
            return NotImplemented
        return (
            self.version == other.version
            and self.name == other.name
            and self.type_url == other.type_url
            and self.body == other.body
            and self.references == other.references
        )

    def __hash__(self) -> int:
        return hash((self.type_url, self.name, self.version))

    def __repr__(self) -> str:
        return f"Resource({self.type_url.rpartition('.')[2]} {self.name!r} @{self.version}, {len(self.body)} bytes)"

    @property
    def digest(self) -> int:
        """A hash of name and version. What is held together has the sum of these, which is kept up to date easily."""
        return xxhash.xxh3_64_intdigest(f"{self.name}\0{self.version}".encode())

    def refers_to(self, reference: Reference) -> bool:
        """True if this resource needs that one."""
        if self._reference_set is None:
            self._reference_set = frozenset(self.references)
        return reference in self._reference_set

    def prepare(self) -> None:
        """Make ahead what ``delta_record`` needs: a first response joins thousands of resources in one step."""
        self.delta_record()

    def sotw_record(self) -> tuple[bytes, bytes]:
        """The ``DiscoveryResponse.resources`` record, as pieces to be joined."""
        head = self._sotw_head
        if head is None:
            head = self._sotw_head = _any_head(self.type_url, len(self.body), field=2)
        return head, self.body

    def delta_record(self) -> tuple[bytes, bytes, bytes]:
        """The ``DeltaDiscoveryResponse.resources`` record, as pieces to be joined."""
        if self._delta_head is None or self._delta_tail is None:
            # proto3 leaves empty strings out.
            version = length_delimited(1, self.version.encode()) if self.version else b""
            any_head = _any_head(self.type_url, len(self.body), field=2)
            name = length_delimited(3, self.name.encode()) if self.name else b""
            size = len(version) + len(any_head) + len(self.body) + len(name)
            self._delta_head = b"".join((_tag(2), varint(size), version, any_head))
            self._delta_tail = name
        return self._delta_head, self.body, self._delta_tail


def varint(value: int) -> bytes:
    """``value`` (not negative) as a protobuf base-128 varint."""
    if value <= 0x7F:
        return _SHORT[value]
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def length_delimited(field: int, payload: bytes) -> bytes:
    """A complete protobuf record: tag, length and payload of a string, bytes or message field."""
    return b"".join((_tag(field), varint(len(payload)), payload))


@cache
def _tag(field: int) -> bytes:
    return varint(field << 3 | _LENGTH_DELIMITED)


@lru_cache(maxsize=64)
def _url(type_url: str) -> bytes:
    return length_delimited(1, type_url.encode())


def _any_head(type_url: str, body_size: int, field: int) -> bytes:
    """Everything of a ``google.protobuf.Any`` record that stands before the value's own bytes."""
    url = _url(type_url)
    # proto3 leaves an empty bytes field out, so an empty message ends with its type URL.
    value_head = _tag(2) + varint(body_size) if body_size else b""
    return b"".join((_tag(field), varint(len(url) + len(value_head) + body_size), url, value_head))
