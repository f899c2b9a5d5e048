"""Connection managers."""

import pytest
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from translator.http_filters.filter import Side
from translator.model.protocol import Protocol
from translator.network_filters.http_connection_manager import ManagerInputs, build_connection_manager
from translator.objects.mesh_config import NormalizationType

_Manager = hcm_pb2.HttpConnectionManager


def built(inputs: ManagerInputs, routes: route_pb2.RouteConfiguration | None = None) -> _Manager:
    """The manager of some inputs."""
    return _Manager.FromString(build_connection_manager(inputs, routes).typed_config.value)


@pytest.mark.parametrize("side", Side)
def test_what_all_have_in_common(side: Side) -> None:
    found = built(ManagerInputs(side=side, stat_prefix="x", route_name="80"))
    assert found.codec_type == _Manager.AUTO
    assert found.stat_prefix == "x"
    assert found.rds.route_config_name == "80"
    assert found.rds.config_source.HasField("ads")
    assert found.rds.config_source.HasField("initial_fetch_timeout")
    assert found.HasField("stream_idle_timeout")
    assert not found.stream_idle_timeout.ByteSize()
    assert [each.upgrade_type for each in found.upgrade_configs] == ["websocket"]
    assert found.proxy_100_continue
    assert found.use_remote_address.value is (side is Side.GATEWAY)
    assert found.HasField("use_remote_address")
    assert not found.HasField("generate_request_id")
    assert found.server_name == ("" if side is Side.OUTBOUND else "istio-envoy")
    assert found.HasField("http_protocol_options") is (side is Side.GATEWAY)


@pytest.mark.parametrize(
    ("side", "protocol", "expected"),
    [
        (Side.INBOUND, Protocol.HTTP, False),
        (Side.INBOUND, Protocol.GRPC, True),
        (Side.INBOUND, Protocol.HTTP2, True),
        (Side.OUTBOUND, Protocol.GRPC, False),
        (Side.GATEWAY, Protocol.GRPC, False),
    ],
)
def test_http2_options(side: Side, protocol: Protocol, expected: bool) -> None:  # noqa: FBT001
    found = built(ManagerInputs(side=side, stat_prefix="x", route_name="80", protocols=frozenset({protocol})))
    assert found.HasField("http2_protocol_options") is expected


@pytest.mark.parametrize(
    ("normalization", "normalize", "merge", "escaped"),
    [
        (NormalizationType.NONE, False, False, _Manager.KEEP_UNCHANGED),
        (NormalizationType.DEFAULT, True, False, _Manager.KEEP_UNCHANGED),
        (NormalizationType.BASE, True, False, _Manager.KEEP_UNCHANGED),
        (NormalizationType.MERGE_SLASHES, True, True, _Manager.KEEP_UNCHANGED),
        (NormalizationType.DECODE_AND_MERGE_SLASHES, True, True, _Manager.UNESCAPE_AND_FORWARD),
    ],
)
def test_paths(normalization: NormalizationType, normalize: bool, merge: bool, escaped: int) -> None:  # noqa: FBT001
    found = built(ManagerInputs(side=Side.OUTBOUND, stat_prefix="x", route_name="80", normalization=normalization))
    assert found.HasField("normalize_path")
    assert (found.normalize_path.value, found.merge_slashes) == (normalize, merge)
    assert found.path_with_escaped_slashes_action == escaped


def test_inline_routes() -> None:
    found = built(ManagerInputs(side=Side.INBOUND, stat_prefix="x"), route_pb2.RouteConfiguration(name="table"))
    assert found.route_config.name == "table"
    assert not found.HasField("rds")


def test_http10_and_proxy_requests() -> None:
    found = built(ManagerInputs(side=Side.OUTBOUND, stat_prefix="x", route_name="80", http10=True))
    assert found.http_protocol_options.accept_http_10
    found = built(ManagerInputs(side=Side.OUTBOUND, stat_prefix="x", route_name="80", forwards_proxy_requests=True))
    assert found.http_protocol_options.allow_absolute_url.value
