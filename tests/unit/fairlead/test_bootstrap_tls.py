"""Proxies that connect over TLS and prove who they are; a real Envoy takes their bootstraps."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings, build_bootstrap
from fairlead.bootstrap_tls import ControlPlaneTLS, build_token_secret
from fairlead.ca.authority import create_root
from fairlead.identity import ProxyIdentity
from translator.model.proxy import Role

ENVOY = Path(sys.executable).with_name("envoy")


def bootstrap(tls: ControlPlaneTLS, xds: str = "fairlead:15012") -> dict[str, Any]:
    identity = ProxyIdentity(role=Role.SIDECAR, namespace="shop", name="web-1", addresses=("10.1.2.3",))
    return build_bootstrap(identity, BootstrapSettings(xds=Address.parse(xds), tls=tls))


def context(bootstrap: dict[str, Any]) -> dict[str, Any]:
    cluster = next(each for each in bootstrap["static_resources"]["clusters"] if each["name"] == "xds-grpc")
    assert cluster["transport_socket"]["name"] == "envoy.transport_sockets.tls"
    found: dict[str, Any] = cluster["transport_socket"]["typed_config"]
    return found


@pytest.mark.parametrize(
    ("xds", "name", "sni", "kind", "exact"),
    [
        ("fairlead:15012", "", "fairlead", "DNS", "fairlead"),
        ("10.0.0.1:15012", "", None, "IP_ADDRESS", "10.0.0.1"),
        (
            "10.0.0.1:15012",
            "fairlead.istio-system.svc",
            "fairlead.istio-system.svc",
            "DNS",
            "fairlead.istio-system.svc",
        ),
    ],
)
def test_the_control_plane_has_to_have_its_name(xds: str, name: str, sni: str | None, kind: str, exact: str) -> None:
    found = context(bootstrap(ControlPlaneTLS(roots="/roots.pem", name=name), xds))
    assert found.get("sni") == sni
    validation = found["common_tls_context"]["validation_context"]
    assert validation["trusted_ca"] == {"filename": "/roots.pem"}
    assert validation["match_typed_subject_alt_names"] == [{"san_type": kind, "matcher": {"exact": exact}}]


def test_a_token_file_is_watched_with_its_folder() -> None:
    (secret,) = build_token_secret("/var/run/tokens/istio-token")["resources"]
    assert secret["generic_secret"]["secret"] == {
        "filename": "/var/run/tokens/istio-token",
        "watched_directory": {"path": "/var/run/tokens"},
    }


@pytest.mark.envoy
@pytest.mark.parametrize("by_token", [True, False])
def test_case_61_a_real_envoy_takes_it(by_token: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    root = create_root("mesh")
    shown = root.issue(["spiffe://cluster.local/ns/shop/sa/web"])
    files = {
        "roots.pem": root.roots,
        "cert.pem": shown.chain,
        "key.pem": shown.key,
        "token": b"token",
        "token-sds.json": json.dumps(build_token_secret(str(tmp_path / "token"))).encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    roots, certificate, key, secret = (
        str(tmp_path / name) for name in ("roots.pem", "cert.pem", "key.pem", "token-sds.json")
    )
    tls = (
        ControlPlaneTLS(roots=roots, token_secret=secret)
        if by_token
        else ControlPlaneTLS(roots=roots, certificate=certificate, key=key)
    )
    (tmp_path / "bootstrap.json").write_text(json.dumps(bootstrap(tls)))
    command = [str(ENVOY), "--mode", "validate", "-c", str(tmp_path / "bootstrap.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
