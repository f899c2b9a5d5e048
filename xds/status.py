"""The client status discovery service (CSDS): what every client was sent, has accepted and has refused.

For each type there is one entry per resource, and one without a name when something holds for the whole
type. Secrets are listed without their content.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from envoy.admin.v3 import config_dump_shared_pb2
from envoy.service.status.v3 import csds_pb2
from google.protobuf import any_pb2, timestamp_pb2
from google.protobuf.message import DecodeError

from xds.client import Client, ResourceState, ResourceStatus, SyncState, TypeStatus
from xds.errors import ProtocolViolation
from xds.matchers import matches_any
from xds.types import SECRET, TypeUrl

STREAM_STATUS: Final = "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus"
FETCH_STATUS: Final = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"

_Entry = csds_pb2.ClientConfig.GenericXdsConfig

_CONFIG_STATUS: Final = {
    SyncState.SYNCED: csds_pb2.ConfigStatus.SYNCED,
    SyncState.NOT_SENT: csds_pb2.ConfigStatus.NOT_SENT,
    SyncState.STALE: csds_pb2.ConfigStatus.STALE,
    SyncState.ERROR: csds_pb2.ConfigStatus.ERROR,
}
_RESOURCE_STATUS: Final = {
    ResourceState.REQUESTED: (csds_pb2.ConfigStatus.STALE, config_dump_shared_pb2.ClientResourceStatus.REQUESTED),
    ResourceState.DOES_NOT_EXIST: (
        csds_pb2.ConfigStatus.NOT_SENT,
        config_dump_shared_pb2.ClientResourceStatus.DOES_NOT_EXIST,
    ),
    ResourceState.ACKED: (csds_pb2.ConfigStatus.SYNCED, config_dump_shared_pb2.ClientResourceStatus.ACKED),
    ResourceState.NACKED: (csds_pb2.ConfigStatus.ERROR, config_dump_shared_pb2.ClientResourceStatus.NACKED),
}


@dataclass(frozen=True, slots=True)
class Clocks:
    """The same moment on the clock of the streams (seconds) and on the wall (seconds since the epoch)."""

    stream: float
    wall: float

    def timestamp(self, at: float | None) -> timestamp_pb2.Timestamp | None:
        """A moment of the streams as a message."""
        if at is None:
            return None
        stamp = timestamp_pb2.Timestamp()
        stamp.FromNanoseconds(round((at - self.stream + self.wall) * 1e9))
        return stamp


def answer_status(raw: bytes, clients: Iterable[Client], clocks: Clocks) -> bytes:
    """The ``ClientStatusResponse`` for a ``ClientStatusRequest``; raises ProtocolViolation."""
    try:
        request = csds_pb2.ClientStatusRequest.FromString(raw)
    except DecodeError as error:
        raise ProtocolViolation("these bytes are no ClientStatusRequest") from error
    wanted = [client for client in clients if matches_any(request.node_matchers, client.node)]
    response = csds_pb2.ClientStatusResponse(
        config=(
            build_client_config(client, clocks, with_contents=not request.exclude_resource_contents)
            for client in sorted(wanted, key=lambda client: (client.node_id, client.id))
        )
    )
    return response.SerializeToString()


def build_client_config(client: Client, clocks: Clocks, *, with_contents: bool) -> csds_pb2.ClientConfig:
    """Everything about one client."""
    resources: dict[TypeUrl, list[ResourceStatus]] = {}
    for resource in client.resources():
        resources.setdefault(resource.type_url, []).append(resource)
    config = csds_pb2.ClientConfig(node=client.node.message, client_scope=f"stream {client.id}")
    for status in sorted(client.status(), key=lambda status: status.type_url):
        listed = resources.get(status.type_url, [])
        if not listed or (status.error is not None and not status.rejections):
            config.generic_xds_configs.append(_type_entry(status, clocks))
        config.generic_xds_configs.extend(_resource_entries(status, listed, clocks, with_contents=with_contents))
    return config


def _type_entry(status: TypeStatus, clocks: Clocks) -> _Entry:
    entry = _Entry(
        type_url=status.type_url,
        version_info=status.version_acked,
        config_status=_CONFIG_STATUS[status.state],
        last_updated=clocks.timestamp(status.acked_at),
    )
    if status.error is not None:
        entry.error_state.details = status.error
        entry.error_state.version_info = status.version_sent
        _set_time(entry, clocks.timestamp(status.error_at))
    return entry


def _resource_entries(
    status: TypeStatus, resources: Iterable[ResourceStatus], clocks: Clocks, *, with_contents: bool
) -> Iterator[_Entry]:
    accepted_at = clocks.timestamp(status.acked_at)
    for resource in resources:
        config_status, client_status = _RESOURCE_STATUS[resource.state]
        entry = _Entry(
            type_url=resource.type_url,
            name=resource.name,
            version_info=resource.version,
            config_status=config_status,
            client_status=client_status,
            last_updated=accepted_at if resource.version else None,
        )
        if with_contents and resource.body is not None and resource.type_url != SECRET:
            entry.xds_config.CopyFrom(any_pb2.Any(type_url=resource.type_url, value=resource.body))
        if resource.rejection is not None:
            entry.error_state.details = resource.rejection.reason
            entry.error_state.version_info = resource.rejection.version
            _set_time(entry, clocks.timestamp(resource.rejection.at))
        yield entry


def _set_time(entry: _Entry, stamp: timestamp_pb2.Timestamp | None) -> None:
    if stamp is not None:
        entry.error_state.last_update_attempt.CopyFrom(stamp)
