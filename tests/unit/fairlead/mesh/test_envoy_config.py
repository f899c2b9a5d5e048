"""Reading Envoy's config_dump."""

from typing import Any

import pytest

from fairlead.mesh.envoy_config import parse_config_dump

PREFIX = "type.googleapis.com/envoy.admin.v3."


def endpoint(ip: str, health: str | None = None) -> dict[str, Any]:
    socket = {"socket_address": {"address": ip, "port_value": 80}}
    return {"endpoint": {"address": socket}} | ({"health_status": health} if health else {})


DUMP = {
    "configs": [
        {"@type": PREFIX + "BootstrapConfigDump"},
        {
            "@type": PREFIX + "ClustersConfigDump",
            "static_clusters": [{"cluster": {"name": "xds-grpc"}}],
            "dynamic_active_clusters": [{"cluster": {"name": "outbound|80||a"}}],
            "dynamic_warming_clusters": [{"cluster": {"name": "outbound|80||b"}}],
        },
        {
            "@type": PREFIX + "ListenersConfigDump",
            "dynamic_listeners": [
                {
                    "name": "127.0.0.1_80",
                    "active_state": {
                        "listener": {
                            "name": "127.0.0.1_80",
                            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
                            "filter_chains": [
                                {
                                    "filters": [
                                        {
                                            "name": "envoy.filters.network.http_connection_manager",
                                            "typed_config": {"stat_prefix": "x"},
                                        }
                                    ]
                                }
                            ],
                        }
                    },
                },
                {"name": "rejected", "error_state": {"details": "no"}},
            ],
        },
        {
            "@type": PREFIX + "RoutesConfigDump",
            "static_route_configs": [{"route_config": {"virtual_hosts": []}}],
            "dynamic_route_configs": [{"route_config": {"name": "80"}}],
        },
        {
            "@type": PREFIX + "EndpointsConfigDump",
            "dynamic_endpoint_configs": [
                {
                    "endpoint_config": {
                        "cluster_name": "outbound|80||a",
                        "endpoints": [
                            {"lb_endpoints": [endpoint("10.0.0.1", "HEALTHY"), endpoint("10.0.0.2", "UNHEALTHY")]},
                            {"lb_endpoints": [endpoint("10.0.0.3")]},
                            {},
                        ],
                    }
                }
            ],
        },
    ]
}


def test_only_what_is_in_force_counts() -> None:
    config = parse_config_dump(DUMP)
    assert set(config.clusters) == {"xds-grpc", "outbound|80||a"}
    assert set(config.listeners) == {"127.0.0.1_80"}
    assert set(config.routes) == {"", "80"}


def test_endpoints_and_their_health() -> None:
    config = parse_config_dump(DUMP)
    assert config.hosts("outbound|80||a") == {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}
    assert config.healthy_hosts("outbound|80||a") == {"10.0.0.1:80", "10.0.0.3:80"}
    assert config.hosts("unknown") == frozenset()


def test_listeners_and_their_http_connection_manager() -> None:
    config = parse_config_dump(DUMP)
    assert config.listener_on(80) == config.listeners["127.0.0.1_80"]
    assert config.listener_on(81) is None
    assert config.http_connection_manager("127.0.0.1_80") == {"stat_prefix": "x"}
    with pytest.raises(LookupError):
        config.http_connection_manager("rejected")


def test_an_empty_dump_is_an_empty_configuration() -> None:
    config = parse_config_dump({})
    assert not config.listeners
    assert not config.clusters
