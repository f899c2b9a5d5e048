"""How outbound clusters open connections and keep them."""

from typing import Any

import pytest

from tests.unit.translator.clusters.cluster_kit import (
    mesh_config,
    with_policy,
)


def test_connect_timeout_of_rule_and_mesh() -> None:
    assert with_policy("{connectionPool: {tcp: {connectTimeout: 1500ms}}}")["connect_timeout"] == "1.500s"
    assert with_policy("", mesh=mesh_config({"connectTimeout": "3s"}))["connect_timeout"] == "3s"


@pytest.mark.parametrize(
    ("keepalive", "mesh", "expected"),
    [
        (None, None, None),
        ("{}", None, {}),
        ("{probes: 3, time: 7200s, interval: 75s}", None, {"probes": 3, "time": 7200, "interval": 75}),
        (None, {"time": "10s"}, {"time": 10}),
        ("{probes: 2, interval: 1500ms}", {"probes": 9, "time": "10s"}, {"probes": 2, "time": 10, "interval": 1}),
    ],
)
def test_tcp_keepalive(keepalive: str | None, mesh: dict[str, Any] | None, expected: dict[str, int] | None) -> None:
    policy = f"{{connectionPool: {{tcp: {{tcpKeepalive: {keepalive}}}}}}}" if keepalive else ""
    cluster = with_policy(policy, mesh=mesh_config({"tcpKeepalive": mesh} if mesh else {}))
    found = cluster.get("upstream_connection_options", {}).get("tcp_keepalive")
    assert found == (None if expected is None else {f"keepalive_{name}": value for name, value in expected.items()})


def test_case_26_proxy_protocol_wraps_clear_text_and_tls() -> None:
    plain = with_policy("{proxyProtocol: {version: V2}}")["transport_socket"]
    assert plain["name"] == "envoy.transport_sockets.upstream_proxy_protocol"
    assert plain["typed_config"]["config"] == {"version": "V2"}
    assert plain["typed_config"]["transport_socket"]["name"] == "envoy.transport_sockets.raw_buffer"
    tls = with_policy("{proxyProtocol: {version: V1}, tls: {mode: SIMPLE}}")["transport_socket"]
    assert tls["typed_config"]["config"] == {}
    assert tls["typed_config"]["transport_socket"]["name"] == "envoy.transport_sockets.tls"
