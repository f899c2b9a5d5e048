"""Every golden case gives what was reviewed, whatever the order of its objects, and a real Envoy takes it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from tests.golden.case import Case, decode

HTTP_CONNECTION_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ENVOY = Path(sys.executable).with_name("envoy")


def test_the_output_is_the_reviewed_one(case: Case, update_golden: bool) -> None:  # noqa: FBT001 - a fixture
    expected = case.folder / "expected.yaml"
    shown = case.shown()
    assert all(shown.values()), f"{case.folder.name}: a pattern of proxy.yaml shows nothing"
    if update_golden:
        plain = json.loads(json.dumps(shown))  # the messages inside an Any come as ordered dictionaries
        expected.write_text(yaml.safe_dump(plain, sort_keys=False, width=120))
    assert yaml.safe_load(expected.read_text()) == shown


@pytest.mark.envoy
def test_a_real_envoy_takes_it(case: Case, tmp_path: Path) -> None:
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(json.dumps(static_bootstrap(case)))
    done = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", bootstrap], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def static_bootstrap(case: Case) -> dict[str, Any]:
    """A bootstrap that holds all resources of a case statically.

    Route tables come over ADS in life, where Envoy would not look at them here, so each also gets a listener of
    its own that holds it inline.
    """

    def plain(short: str) -> list[dict[str, Any]]:
        return [MessageToDict(decode(short, each)) for each in case.resources()[short].values()]

    xds_cluster = {
        "name": "xds-grpc",
        "connect_timeout": "1s",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "xds-grpc",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket_address(15010)}}]},
            ],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
    return {
        "node": {"id": "golden", "cluster": "golden"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            }
        },
        "static_resources": {
            "clusters": [xds_cluster, *plain("cds")],
            "listeners": [
                *plain("lds"),
                *(inline_listener(table, 20000 + position) for position, table in enumerate(plain("rds"))),
            ],
        },
    }


def inline_listener(table: dict[str, Any], port: int) -> dict[str, Any]:
    """A listener whose only purpose is to have Envoy read a route table."""
    manager = {
        "@type": f"type.googleapis.com/{HTTP_CONNECTION_MANAGER}",
        "stat_prefix": "golden",
        "route_config": table,
        "http_filters": [
            typed_filter("envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
            typed_filter("envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors"),
            typed_filter("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": f"golden-{port}", "address": socket_address(port), "filter_chains": [chain]}


def typed_filter(name: str, message: str) -> dict[str, Any]:
    """A filter in its default configuration."""
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{message}"}}


def socket_address(port: int) -> dict[str, Any]:
    """An address on this machine."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
