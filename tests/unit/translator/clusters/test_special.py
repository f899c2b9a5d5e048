"""The clusters that belong to no service."""

from typing import Any

import msgspec

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh
from translator.decode import decode_record
from translator.objects.mesh_config import MeshConfig

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def mesh_with(settings: dict[str, Any]) -> Mesh:
    """An empty mesh with settings."""
    config, violations = decode_record(settings, MeshConfig)
    assert config is not None, violations
    return Mesh(mesh=config)


def test_an_empty_mesh_has_only_special_clusters() -> None:
    assert list(Mesh().clusters(SIDECAR)) == ["BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"]
    assert list(Mesh().clusters(GATEWAY)) == ["BlackHoleCluster"]


def test_the_black_hole() -> None:
    assert mesh_with({"connectTimeout": "3s"}).shown("BlackHoleCluster") == {
        "name": "BlackHoleCluster",
        "type": "STATIC",
        "connect_timeout": "3s",
    }


def test_passthrough() -> None:
    cluster = Mesh().shown("PassthroughCluster")
    assert cluster["type"] == "ORIGINAL_DST"
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"
    options = cluster["typed_extension_protocol_options"][HTTP_OPTIONS]
    assert options["common_http_protocol_options"] == {"idle_timeout": "300s"}
    assert set(options["use_downstream_protocol_config"]) == {"http_protocol_options", "http2_protocol_options"}
    assert "upstream_bind_config" not in cluster


def test_passthrough_heeds_the_default_pool_of_the_mesh() -> None:
    pool = {"tcp": {"maxConnections": 7, "connectTimeout": "2s"}, "http": {"maxRetries": 5}}
    cluster = mesh_with({"defaultTrafficPolicy": {"connectionPool": pool}}).shown("PassthroughCluster")
    assert cluster["circuit_breakers"]["thresholds"][0]["max_connections"] == 7
    assert cluster["connect_timeout"] == "2s"


def test_the_mesh_can_have_unknown_hosts_resolved() -> None:
    mesh = mesh_with({"outboundTrafficPolicy": {"mode": "ALLOW_ANY_DYNAMIC_DNS"}})
    cluster = mesh.shown("AllowAnyDynamicDNSCluster")
    assert cluster["cluster_type"]["name"] == "envoy.clusters.dynamic_forward_proxy"
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"
    assert "type" not in cluster
    assert "AllowAnyDynamicDNSCluster" not in mesh.clusters(GATEWAY)


def test_inbound_passthrough_comes_from_an_address_that_is_not_intercepted() -> None:
    def bind(*addresses: str) -> dict[str, Any]:
        proxy = msgspec.structs.replace(SIDECAR, addresses=addresses)
        found: dict[str, Any] = Mesh().shown("InboundPassthroughCluster", proxy)["upstream_bind_config"]
        return found

    v4 = {"address": "127.0.0.6", "port_value": 0}
    v6 = {"address": "::6", "port_value": 0}
    assert bind("10.0.0.1") == {"source_address": v4}
    assert bind("2001:db8::1") == {"source_address": v6}
    assert bind("10.0.0.1", "2001:db8::1") == {"source_address": v4, "extra_source_addresses": [{"address": v6}]}
