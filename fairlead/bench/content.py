"""What responses say, understood once: a thousand proxies get the same bytes, and only nonces differ."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple

import xxhash
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any as ProtoAny
from google.protobuf.message import DecodeError, Message

from fairlead.bench.marker import find_markers
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl

# Looking these up in `Any` fields is what the imports above are for.
_UNPACKED: Final[Mapping[str, type[Message]]] = {
    each.DESCRIPTOR.full_name: each
    for each in (
        http_connection_manager_pb2.HttpConnectionManager,
        tls_pb2.UpstreamTlsContext,
        tls_pb2.DownstreamTlsContext,
    )
}
_ROOTS: Final[Mapping[TypeUrl, type[Message]]] = {CLUSTER: cluster_pb2.Cluster, LISTENER: listener_pb2.Listener}
_CLUSTER_NAMES: Final = re.compile(rb"outbound\|\d+\|[^|]*\|([a-z0-9.-]+)")
_TYPE_PREFIX: Final = b"type.googleapis.com/envoy."
# The tag of a first field with a length.
_FIRST_FIELD: Final = b"\x0a"
_REMEMBERED: Final = 20_000

Names = frozenset[str]
References = Mapping[TypeUrl, Names]


class Part(NamedTuple):
    """One resource: its version, what it refers to by name, the changes and the hosts that can be seen in it."""

    version: str
    references: References
    hosts: Names


class Content(NamedTuple):
    """The resources of a response, by name; no two have the same ``serial``. ``markers``: the changes that it shows."""

    serial: int
    parts: Mapping[str, Part]
    markers: frozenset[int]


class Stamp(NamedTuple):
    """What differs between responses of equal content."""

    type_url: TypeUrl
    version: str
    nonce: str
    removed: tuple[str, ...]


class Reply(NamedTuple):
    """A response, taken apart without reading its resources: these are ``raw[start:end]``."""

    stamp: Stamp
    raw: bytes
    start: int
    end: int


def split(raw: bytes, *, delta: bool) -> Reply:
    """Take a response apart. ValueError for bytes that are none."""
    start, version = _leading_version(raw)
    end = raw.rfind(_TYPE_PREFIX) - 2
    try:
        if end >= start and raw[end] == 0x22:
            stamp = _stamp(raw[end:], version, delta=delta)
            if stamp.nonce:
                return Reply(stamp, raw, start, end)
        # Fields in another order than that of their numbers.
        return Reply(_stamp(raw, version, delta=delta), raw, start, len(raw))
    except DecodeError as error:
        raise ValueError("these bytes are no discovery response") from error


def _leading_version(raw: bytes) -> tuple[int, str]:
    """Where the field after the version starts, and the version; most servers write it first."""
    if raw[:1] != _FIRST_FIELD:
        return 0, ""
    start, end = _extent(raw)
    if end > len(raw):
        raise ValueError("these bytes are no discovery response")
    return end, raw[start:end].decode()


def _stamp(tail: bytes, version: str, *, delta: bool) -> Stamp:
    if delta:
        message = discovery_pb2.DeltaDiscoveryResponse.FromString(tail)
        found = version or message.system_version_info
        return Stamp(TypeUrl(message.type_url), found, message.nonce, tuple(message.removed_resources))
    response = discovery_pb2.DiscoveryResponse.FromString(tail)
    return Stamp(TypeUrl(response.type_url), version or response.version_info, response.nonce, ())


class Reader:
    """Reads contents, each of them once."""

    def __init__(self) -> None:
        self._contents: dict[tuple[TypeUrl, bytes], Content] = {}
        self._parts: dict[tuple[TypeUrl, bytes], tuple[Part, str]] = {}
        self._serials = count(1)

    def read(self, reply: Reply, *, delta: bool) -> Content:
        """The content of a response. ValueError when its resources cannot be decoded."""
        piece = memoryview(reply.raw)[reply.start : reply.end]
        key = (reply.stamp.type_url, xxhash.xxh3_128_digest(piece))
        content = self._contents.get(key)
        if content is None:
            if len(self._contents) >= _REMEMBERED:
                self._contents.clear()
            try:
                content = self._decode(reply.stamp.type_url, bytes(piece), delta=delta)
            except DecodeError as error:
                raise ValueError("a response holds resources that cannot be decoded") from error
            self._contents[key] = content
        return content

    def _decode(self, type_url: TypeUrl, body: bytes, *, delta: bool) -> Content:
        parts: dict[str, Part] = {}
        if delta:
            for resource in discovery_pb2.DeltaDiscoveryResponse.FromString(body).resources:
                part, _ = self._part(type_url, resource.resource.value)
                parts[resource.name] = part._replace(version=resource.version)
        else:
            for packed in discovery_pb2.DiscoveryResponse.FromString(body).resources:
                part, name = self._part(type_url, packed.value)
                parts[name] = part
        markers = frozenset(find_markers(body)) if type_url in {ENDPOINT, ROUTE} else frozenset()
        return Content(next(self._serials), parts, markers)

    def _part(self, type_url: TypeUrl, body: bytes) -> tuple[Part, str]:
        key = (type_url, xxhash.xxh3_128_digest(body))
        found = self._parts.get(key)
        if found is None:
            if len(self._parts) >= _REMEMBERED:
                self._parts.clear()
            hosts = find_hosts(body) if type_url == ROUTE else Names()
            part = Part("", _references(type_url, body), hosts)
            found = self._parts[key] = (part, split_name(body))
        return found


def find_hosts(body: bytes) -> Names:
    """The hosts of the clusters that a route table leads to."""
    return frozenset(host.decode() for host in _CLUSTER_NAMES.findall(body))


def split_name(body: bytes) -> str:
    """The name of an encoded resource: the first field of all types that are asked for by name."""
    if body[:1] != _FIRST_FIELD:
        return ""
    start, end = _extent(body)
    return body[start:end].decode()


def _extent(raw: bytes) -> tuple[int, int]:
    """Where the content of the first field begins and ends."""
    length, place, shift = 0, 1, 0
    while True:
        length |= (raw[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if raw[place - 1] < 0x80:
            return place, place + length


def _references(type_url: TypeUrl, body: bytes) -> References:
    root = _ROOTS.get(type_url)
    if root is None:
        return {}
    found: dict[TypeUrl, set[str]] = {}
    for kind, name in _walk(root.FromString(body)):
        found.setdefault(kind, set()).add(name)
    return {kind: frozenset(names) for kind, names in found.items()}


def _walk(message: Message) -> Iterator[tuple[TypeUrl, str]]:
    """What a message and those inside it want by name over ADS."""
    match message:
        case cluster_pb2.Cluster():
            if message.type == cluster_pb2.Cluster.EDS and message.eds_cluster_config.eds_config.HasField("ads"):
                yield ENDPOINT, message.eds_cluster_config.service_name or message.name
        case http_connection_manager_pb2.Rds():
            if message.config_source.HasField("ads"):
                yield ROUTE, message.route_config_name
            return
        case secret_pb2.SdsSecretConfig():
            if message.sds_config.HasField("ads"):
                yield SECRET, message.name
            return
        case ProtoAny():
            inner = _UNPACKED.get(message.type_url.rpartition("/")[2])
            if inner is not None:
                yield from _walk(inner.FromString(message.value))
            return
        case _:
            pass
    for value in _submessages(message):
        yield from _walk(value)


def _submessages(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                yield from value.values()
        elif isinstance(value, Message):
            yield value
        else:
            yield from _messages(value)


def _messages(values: Iterable[Message]) -> Iterator[Message]:
    yield from values
