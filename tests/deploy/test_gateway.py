"""The gateway's pod: what its init container writes is a bootstrap that Envoy takes, with what the probes ask for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.rendering import Manifest, by_identity

# What the kubelet fills in.
DOWNWARD = {
    "metadata.name": "fairlead-ingressgateway-5d4f-x2x7b",
    "metadata.namespace": "istio-system",
    "status.podIPs": "10.1.2.3,fd00::3",
    "spec.serviceAccountName": "fairlead-ingressgateway",
}


@pytest.fixture
def pod(written: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = by_identity(written)["Deployment", "fairlead-ingressgateway"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def bootstrap(pod: dict[str, Any], tmp_path: Path) -> Path:
    """The file that the init container writes, when its command is run here."""
    (container,) = pod["initContainers"]
    (mount,) = container["volumeMounts"]
    environment = {
        each["name"]: each.get("value") or DOWNWARD[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container["env"]
    }
    command = [part.replace(mount["mountPath"], str(tmp_path)) for part in container["command"]]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    subprocess.run(command, env=environment | {"PATH": path}, check=True)
    return tmp_path / "envoy.json"


@pytest.mark.envoy
def test_envoy_takes_the_bootstrap(pod: dict[str, Any], bootstrap: Path, envoy_binary: Path) -> None:
    (container,) = pod["containers"]
    arguments = [part.replace("/bootstrap", str(bootstrap.parent)) for part in container["args"]]
    assert container["command"] == ["envoy"]
    done = subprocess.run(
        [envoy_binary, "--mode", "validate", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_bootstrap_says_who_the_pod_is_and_where_the_control_plane_is(bootstrap: Path) -> None:
    document = json.loads(bootstrap.read_text())
    metadata = document["node"]["metadata"]
    assert metadata["NAMESPACE"] == "istio-system"
    assert metadata["LABELS"] == {"istio": "ingressgateway"}
    assert metadata["SERVICE_ACCOUNT"] == "fairlead-ingressgateway"
    (control_plane,) = (each for each in document["static_resources"]["clusters"] if each["name"] == "xds-grpc")
    assert "STRICT_DNS" in json.dumps(control_plane)
    assert '"address": "fairlead", "port_value": 15010' in json.dumps(control_plane)


def test_the_probes_ask_for_what_the_bootstrap_serves(pod: dict[str, Any], bootstrap: Path) -> None:
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    served = {}
    for listener in json.loads(bootstrap.read_text())["static_resources"]["listeners"]:
        text = json.dumps(listener)
        served[listener["address"]["socket_address"]["port_value"]] = text
    for probe in ("startupProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert f'"{asked["path"]}"' in served[ports[asked["port"]]]
    assert '"/stats/prometheus"' in served[ports["http-envoy-prom"]]
