"""The load reporting service (LRS): clients tell how many requests they sent where, and it is added up.

Reports are counted per cluster and locality, over all clients and since the server started; requests under
way are those that connected clients reported last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from envoy.config.endpoint.v3 import load_report_pb2
from envoy.service.load_stats.v3 import lrs_pb2
from google.protobuf.message import DecodeError

from xds.errors import ProtocolViolation

STREAM_LOAD: Final = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"

# A client could report ever new names; a mesh that is larger than this has other problems.
_MOST_PLACES: Final = 100_000


class Place(NamedTuple):
    """Where requests went: a cluster, and one of its localities and priorities."""

    cluster: str
    region: str = ""
    zone: str = ""
    sub_zone: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to one place: counted since the server started, and under way now."""

    successful: int = 0
    failed: int = 0
    issued: int = 0
    in_progress: int = 0


class LoadBook:
    """Adds up what clients report. Clients are told apart by the numbers of their streams."""

    def __init__(self) -> None:
        self._counted: dict[Place, Load] = {}
        self._in_progress: dict[int, dict[Place, int]] = {}
        self._dropped: dict[str, int] = {}

    def record(self, stream: int, reports: Iterable[load_report_pb2.ClusterStats]) -> None:
        """Take a client's report of what happened since its previous one."""
        under_way: dict[Place, int] = {}
        for report in reports:
            dropped = self._dropped.get(report.cluster_name, 0) + report.total_dropped_requests
            if dropped:
                self._dropped[report.cluster_name] = dropped
            for stats in report.upstream_locality_stats:
                place = _place(report.cluster_name, stats)
                if place in self._counted or len(self._counted) < _MOST_PLACES:
                    self._count(place, stats)
                    under_way[place] = stats.total_requests_in_progress
        self._in_progress[stream] = under_way

    def forget(self, stream: int) -> None:
        """The client has left: nothing of it is under way."""
        self._in_progress.pop(stream, None)

    def loads(self) -> Mapping[Place, Load]:
        """The load of every place that was ever reported."""
        under_way: dict[Place, int] = {}
        for places in self._in_progress.values():
            for place, count in places.items():
                under_way[place] = under_way.get(place, 0) + count
        return {place: replace(load, in_progress=under_way.get(place, 0)) for place, load in self._counted.items()}

    def dropped(self) -> Mapping[str, int]:
        """Requests that clients dropped before they chose an endpoint, by cluster."""
        return dict(self._dropped)

    def _count(self, place: Place, stats: load_report_pb2.UpstreamLocalityStats) -> None:
        before = self._counted.get(place, Load())
        self._counted[place] = Load(
            successful=before.successful + stats.total_successful_requests,
            failed=before.failed + stats.total_error_requests,
            issued=before.issued + stats.total_issued_requests,
        )


def decode_report(raw: bytes) -> lrs_pb2.LoadStatsRequest:
    """Decode a ``LoadStatsRequest``; raises ProtocolViolation when the bytes are none."""
    try:
        return lrs_pb2.LoadStatsRequest.FromString(raw)
    except DecodeError as error:
        raise ProtocolViolation("these bytes are no LoadStatsRequest") from error


def encode_instruction(interval: float) -> bytes:
    """What the server asks of a client: reports about all clusters, every ``interval`` seconds."""
    response = lrs_pb2.LoadStatsResponse(send_all_clusters=True)
    response.load_reporting_interval.FromNanoseconds(round(interval * 1e9))
    return response.SerializeToString()


def _place(cluster: str, stats: load_report_pb2.UpstreamLocalityStats) -> Place:
    locality = stats.locality
    return Place(cluster, locality.region, locality.zone, locality.sub_zone, stats.priority)
