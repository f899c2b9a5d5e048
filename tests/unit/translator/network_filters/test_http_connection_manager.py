"""Connection managers."""

import pytest
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from translator.http_filters.filter import Side
from translator.model.protocol import Protocol
from translator.model.proxy_config import DEFAULT_SETTINGS, read_proxy_settings
from translator.network_filters.http_connection_manager import ManagerInputs, build_connection_manager
from translator.objects.duration import Duration
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


@pytest.mark.parametrize(
    ("side", "config", "form", "told"),
    [
        (Side.OUTBOUND, {}, _Manager.SANITIZE, False),
        (Side.INBOUND, {}, _Manager.APPEND_FORWARD, True),
        (Side.INBOUND, {"proxyHeaders": {"forwardedClientCert": "SANITIZE"}}, _Manager.SANITIZE, True),
        (Side.GATEWAY, {}, _Manager.SANITIZE_SET, True),
        (Side.GATEWAY, {"proxyHeaders": {"forwardedClientCert": "SANITIZE"}}, _Manager.SANITIZE_SET, True),
        (
            Side.GATEWAY,
            {"gatewayTopology": {"forwardClientCertDetails": "FORWARD_ONLY"}},
            _Manager.FORWARD_ONLY,
            False,
        ),
    ],
)
def test_certificates_of_clients(side: Side, config: dict[str, object], form: int, told: bool) -> None:  # noqa: FBT001
    found = built(ManagerInputs(side=side, stat_prefix="x", route_name="80", proxy=read_proxy_settings(config)))
    assert found.forward_client_cert_details == form
    assert found.HasField("set_current_client_cert_details") is told


def test_headers_that_proxies_set_by_themselves() -> None:
    config = {
        "proxyHeaders": {
            "server": {"disabled": True},
            "requestId": {"disabled": True},
            "envoyDebugHeaders": {"disabled": True},
            "preserveHttp1HeaderCase": True,
            "xForwardedPort": {"enabled": True},
            "setCurrentClientCertDetails": {"subject": False, "chain": True},
        },
        "concurrency": 2,
    }
    found = built(ManagerInputs(side=Side.INBOUND, stat_prefix="x", route_name="80", proxy=read_proxy_settings(config)))
    assert (found.server_name, found.server_header_transformation) == ("", _Manager.PASS_THROUGH)
    assert found.HasField("generate_request_id")
    assert not found.generate_request_id.value
    assert found.append_x_forwarded_port
    assert found.http_protocol_options.header_key_format.stateful_formatter.name.endswith("preserve_case")
    details = found.set_current_client_cert_details
    assert (details.subject.value, details.chain, details.uri) == (False, True, True)
    router = router_pb2.Router.FromString(found.http_filters[-1].typed_config.value)
    assert router.suppress_envoy_headers


def test_the_server_header_can_be_named() -> None:
    proxy = read_proxy_settings({"proxyHeaders": {"server": {"value": "mine"}}})
    assert built(ManagerInputs(side=Side.OUTBOUND, stat_prefix="x", route_name="80", proxy=proxy)).server_name == "mine"


@pytest.mark.parametrize("config", [{"proxyHeaders": 1}, {"gatewayTopology": {"numTrustedProxies": "many"}}])
def test_settings_that_cannot_be_read_count_as_unset(config: dict[str, object]) -> None:
    assert read_proxy_settings(config) == DEFAULT_SETTINGS


def test_limits_that_are_set() -> None:
    settings = {
        "httpIdleTimeout": "10s",
        "httpMaxConnectionDuration": "11s",
        "httpMaxStreamDuration": "12s",
        "httpStreamIdleTimeout": "13s",
        "httpRequestTimeout": "14s",
        "httpRequestHeadersTimeout": "15s",
        "httpDrainTimeout": "16s",
        "httpMaxConcurrentStreams": -1,
        "httpHeadersWithUnderscoresAction": "HEADERS_WITH_UNDERSCORES_DROP_HEADER",
        "httpPathWithEscapedSlashesAction": "PATH_WITH_ESCAPED_SLASHES_REJECT_REQUEST",
        "httpMergeSlashes": False,
    }
    proxy = read_proxy_settings({"connectionSettings": settings})
    inputs = ManagerInputs(side=Side.OUTBOUND, stat_prefix="x", route_name="80", proxy=proxy, idle_timeout=Duration(1))
    found = built(inputs)
    common = found.common_http_protocol_options
    times = (
        common.idle_timeout,
        common.max_connection_duration,
        common.max_stream_duration,
        found.stream_idle_timeout,
        found.request_timeout,
        found.request_headers_timeout,
        found.drain_timeout,
    )
    assert [each.seconds for each in times] == [10, 11, 12, 13, 14, 15, 16]
    assert common.headers_with_underscores_action == common.DROP_HEADER
    assert found.path_with_escaped_slashes_action == _Manager.REJECT_REQUEST
    assert not found.merge_slashes
    assert not found.HasField("http2_protocol_options"), "negative numbers are ignored"
