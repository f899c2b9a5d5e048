"""Bootstraps hold what Envoy needs, and a real Envoy takes them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings, build_bootstrap
from fairlead.identity import ProxyIdentity
from translator.model.proxy import Capture, Role

EVERYWHERE = "0.0.0.0"  # noqa: S104 - where probes come in


def identity(role: Role = Role.SIDECAR, ip: str = "10.1.2.3", capture: Capture = Capture.REDIRECT) -> ProxyIdentity:
    return ProxyIdentity(
        role=role, namespace="shop", name="web-1", addresses=(ip,), labels={"app": "web"}, capture=capture
    )


def cluster(bootstrap: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in bootstrap["static_resources"]["clusters"] if each["name"] == name)


def listeners(bootstrap: dict[str, Any]) -> list[str]:
    return [each["name"] for each in bootstrap["static_resources"]["listeners"]]


@pytest.mark.parametrize(("delta", "api_type"), [(True, "DELTA_GRPC"), (False, "GRPC")])
def test_everything_comes_over_ads(delta: bool, api_type: str) -> None:  # noqa: FBT001 - a parameter
    dynamic = build_bootstrap(identity(), BootstrapSettings(delta=delta))["dynamic_resources"]
    assert dynamic["ads_config"]["api_type"] == api_type
    assert dynamic["ads_config"]["set_node_on_first_message_only"] is True
    assert dynamic["ads_config"]["grpc_services"] == [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    assert dynamic["cds_config"] == source
    assert dynamic["lds_config"] == source


def test_the_node() -> None:
    node = build_bootstrap(identity(), BootstrapSettings())["node"]
    assert node["id"] == "sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local"
    assert node["metadata"]["LABELS"] == {"app": "web"}


@pytest.mark.parametrize(
    ("xds", "kind"), [("10.0.0.1:15010", "STATIC"), ("[::1]:15010", "STATIC"), ("fairlead:15010", "STRICT_DNS")]
)
def test_the_control_plane_by_address_or_name(xds: str, kind: str) -> None:
    address = Address.parse(xds)
    found = cluster(build_bootstrap(identity(), BootstrapSettings(xds=address)), "xds-grpc")
    # An enum's first value is left out in proto JSON.
    assert found.get("type", "STATIC") == kind
    (group,) = found["load_assignment"]["endpoints"]
    assert group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] == {
        "address": address.host,
        "port_value": address.port,
    }


@pytest.mark.parametrize(
    ("role", "ip", "capture", "host"),
    [
        (Role.SIDECAR, "10.1.2.3", Capture.REDIRECT, EVERYWHERE),
        (Role.SIDECAR, "fd00::1", Capture.REDIRECT, "::"),
        (Role.SIDECAR, "127.1.2.3", Capture.NONE, "127.1.2.3"),
        (Role.SIDECAR, "127.1.2.3", Capture.REDIRECT, EVERYWHERE),
        (Role.SIDECAR, "10.1.2.3", Capture.NONE, EVERYWHERE),
        (Role.GATEWAY, "127.1.2.3", Capture.REDIRECT, "127.1.2.3"),
        (Role.GATEWAY, "10.1.2.3", Capture.REDIRECT, EVERYWHERE),
    ],
)
def test_proxies_that_share_a_machine_have_their_own_status_address(
    role: Role, ip: str, capture: Capture, host: str
) -> None:
    found = build_bootstrap(identity(role, ip, capture), BootstrapSettings())
    assert listeners(found) == [f"{host}_15021", f"{host}_15090"]


@pytest.mark.envoy
@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("xds", ["127.0.0.1:15010", "fairlead.example:15010"])
@pytest.mark.parametrize("role", Role)
def test_a_real_envoy_takes_it(role: Role, xds: str, delta: bool, envoy_binary: Path, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(build_bootstrap(identity(role), BootstrapSettings(xds=Address.parse(xds), delta=delta))))
    done = subprocess.run(
        [envoy_binary, "--mode", "validate", "-c", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "[warning]" not in done.stderr


@pytest.mark.parametrize(
    ("addresses", "status", "admin"),
    [
        (("10.0.0.1",), ["0.0.0.0"], "127.0.0.1"),  # noqa: S104 - compared, not bound
        (("fd00::1",), ["::"], "::1"),
        (("10.0.0.1", "fd00::1"), ["0.0.0.0", "::"], "127.0.0.1"),  # noqa: S104 - as above
        (("fd00::1", "10.0.0.1"), ["::", "0.0.0.0"], "127.0.0.1"),  # noqa: S104 - as above
    ],
)
def test_versions_of_ip(addresses: tuple[str, ...], status: list[str], admin: str) -> None:
    identity = ProxyIdentity(role=Role.SIDECAR, namespace="default", name="web", addresses=addresses)
    built = build_bootstrap(identity, BootstrapSettings())
    assert built["admin"]["address"]["socket_address"]["address"] == admin
    for listener in built["static_resources"]["listeners"]:
        places = [listener["address"], *(each["address"] for each in listener.get("additional_addresses", ()))]
        assert [each["socket_address"]["address"] for each in places] == status
