"""Which HTTP outbound clusters speak."""

from typing import Any

import pytest

from tests.unit.translator.clusters.cluster_kit import (
    HTTP_OPTIONS,
    WEB,
    http_options,
    mesh_config,
    with_policy,
)
from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, service
from translator.objects.mesh_config import MeshConfig


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("{http: {maxRequestsPerConnection: 3}}", {"max_requests_per_connection": 3}),
        ("{http: {idleTimeout: 7s}}", {"idle_timeout": "7s"}),
        ("{tcp: {idleTimeout: 8s}}", {"idle_timeout": "8s"}),
        ("{tcp: {idleTimeout: 8s}, http: {idleTimeout: 7s}}", {"idle_timeout": "7s"}),
        ("{tcp: {maxConnectionDuration: 1h}}", {"max_connection_duration": "3600s"}),
    ],
)
def test_connection_pool_in_http_options(pool: str, expected: dict[str, Any]) -> None:
    assert http_options(with_policy(f"{{connectionPool: {pool}}}")) == {
        "common_http_protocol_options": expected,
        "explicit_http_config": {"http_protocol_options": {}},
    }


HTTP2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}


DOWNSTREAM: dict[str, Any] = {
    "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}
}


@pytest.mark.parametrize(
    ("protocol", "sidecar", "gateway"),
    [
        ("http", None, None),
        ("http2", HTTP2, HTTP2),
        ("grpc", HTTP2, HTTP2),
        ("grpc-web", HTTP2, HTTP2),
        ("unknown", DOWNSTREAM, None),
        ("tcp", None, None),
        ("tls", None, None),
        ("https", None, None),
        ("mongo", None, None),
    ],
)
def test_http_options_by_protocol(
    protocol: str, sidecar: dict[str, Any] | None, gateway: dict[str, Any] | None
) -> None:
    mesh = Mesh(service(ports=f"{{name: {protocol}, port: 80}}"))
    assert http_options(mesh.shown(WEB, SIDECAR)) == sidecar
    assert http_options(mesh.shown(WEB, GATEWAY)) == gateway


@pytest.mark.parametrize(
    ("protocol", "http", "mesh", "expected"),
    [
        ("http", "{h2UpgradePolicy: UPGRADE}", "DO_NOT_UPGRADE", HTTP2),
        ("tcp", "{h2UpgradePolicy: UPGRADE}", "DO_NOT_UPGRADE", HTTP2),
        ("unknown", "{h2UpgradePolicy: UPGRADE}", "DO_NOT_UPGRADE", DOWNSTREAM),
        ("http", "{maxRetries: 1}", "UPGRADE", HTTP2),
        ("tcp", "{maxRetries: 1}", "UPGRADE", None),
        ("http", "{h2UpgradePolicy: DO_NOT_UPGRADE}", "UPGRADE", None),
        ("grpc", "{h2UpgradePolicy: DO_NOT_UPGRADE}", "UPGRADE", HTTP2),
        ("http", "{useClientProtocol: true}", "UPGRADE", DOWNSTREAM),
        ("grpc", "{useClientProtocol: true}", "DO_NOT_UPGRADE", DOWNSTREAM),
        ("http", "{maxConcurrentStreams: 9}", "DO_NOT_UPGRADE", None),
    ],
)
def test_case_24_http2_upgrade(protocol: str, http: str, mesh: str, expected: dict[str, Any] | None) -> None:
    settings = mesh_config({"h2UpgradePolicy": mesh})
    assert (
        http_options(with_policy(f"{{connectionPool: {{http: {http}}}}}", protocol=protocol, mesh=settings)) == expected
    )


def test_case_24_limits_of_http2() -> None:
    pool = "{http: {maxConcurrentStreams: 9, http2KeepAlive: {interval: 5s, timeout: 1s}}}"
    assert http_options(with_policy(f"{{connectionPool: {pool}}}", protocol="grpc")) == {
        "explicit_http_config": {
            "http2_protocol_options": {
                "max_concurrent_streams": 9,
                "connection_keepalive": {"interval": "5s", "timeout": "1s"},
            }
        }
    }


@pytest.mark.parametrize(
    ("protocol", "where"),
    [("http", "explicit_http_config"), ("auto", "use_downstream_protocol_config"), ("grpc", None), ("tcp", None)],
)
def test_headers_keep_their_spelling_where_the_mesh_wants_it(protocol: str, where: str | None) -> None:
    mesh = MeshConfig(default_config={"proxyHeaders": {"preserveHttp1HeaderCase": True}})
    shown = Mesh(service(ports=f"{{name: {protocol}, port: 80}}"), mesh=mesh).shown(WEB)
    options = shown.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})
    if where is None:
        assert "header_key_format" not in str(options)
        return
    formatter = options[where]["http_protocol_options"]["header_key_format"]["stateful_formatter"]
    assert formatter["name"] == "envoy.http.stateful_header_formatters.preserve_case"
