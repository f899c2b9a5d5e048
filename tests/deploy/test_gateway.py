"""The gateway's pod: what its init container writes is a bootstrap that Envoy takes, with what the probes ask for."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fairlead.ca.authority import create_root
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


@pytest.fixture(params=["without a CA", "with a CA"])
def has_ca(request: pytest.FixtureRequest) -> bool:
    """Whether there is the Secret with the CA of the mesh."""
    return str(request.param) == "with a CA"


@pytest.fixture
def volumes(pod: dict[str, Any], tmp_path: Path, has_ca: bool) -> dict[str, Path]:  # noqa: FBT001
    """The folders in place of what is mounted, filled as the kubelet does, by the path of the mount."""
    (container,) = pod["initContainers"]
    sources = {volume["name"]: volume for volume in pod["volumes"]}
    folders = {}
    for mount in container["volumeMounts"]:
        folder = folders[mount["mountPath"]] = tmp_path / mount["name"]
        folder.mkdir()
        for source in sources[mount["name"]].get("projected", {}).get("sources", ()):
            if "serviceAccountToken" in source:
                (folder / source["serviceAccountToken"]["path"]).write_text("eyJ")
            elif has_ca:
                (item,) = source["secret"]["items"]
                (folder / item["path"]).write_bytes(create_root("cluster.local").roots)
    return folders


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a container; values may name those before them."""
    found: dict[str, str] = {}
    for each in container["env"]:
        value = each.get("value") or DOWNWARD[each["valueFrom"]["fieldRef"]["fieldPath"]]
        found[each["name"]] = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], value)
    return found


def relocated(parts: list[str], volumes: Mapping[str, Path]) -> list[str]:
    """A command that uses the folders instead of the mounts."""
    for path, folder in volumes.items():
        parts = [part.replace(path, str(folder)) for part in parts]
    return parts


@pytest.fixture
def bootstrap(pod: dict[str, Any], volumes: dict[str, Path]) -> Path:
    """The file that the init container writes, when its command is run here."""
    (container,) = pod["initContainers"]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    command = relocated(container["command"], volumes)
    subprocess.run(command, env=environment(container) | {"PATH": path}, check=True)
    return volumes["/bootstrap"] / "envoy.json"


@pytest.mark.envoy
@pytest.mark.usefixtures("bootstrap")
def test_envoy_takes_the_bootstrap(pod: dict[str, Any], volumes: dict[str, Path], envoy_binary: Path) -> None:
    (container,) = pod["containers"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == volumes.keys()
    assert container["command"] == ["envoy"]
    done = subprocess.run(
        [envoy_binary, "--mode", "validate", *relocated(container["args"], volumes)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_bootstrap_says_who_the_pod_is_and_where_the_control_plane_is(
    bootstrap: Path,
    volumes: dict[str, Path],
    has_ca: bool,  # noqa: FBT001
) -> None:
    document = json.loads(bootstrap.read_text())
    metadata = document["node"]["metadata"]
    assert metadata["NAMESPACE"] == "istio-system"
    assert metadata["LABELS"] == {"istio": "ingressgateway"}
    assert metadata["SERVICE_ACCOUNT"] == "fairlead-ingressgateway"
    (control_plane,) = (each for each in document["static_resources"]["clusters"] if each["name"] == "xds-grpc")
    assert "STRICT_DNS" in json.dumps(control_plane)
    port = 15012 if has_ca else 15010
    assert f'"address": "fairlead.istio-system.svc", "port_value": {port}' in json.dumps(control_plane)
    assert ("transport_socket" in control_plane) is has_ca
    assert ("credential_injector" in json.dumps(control_plane)) is has_ca
    if has_ca:
        assert str(volumes["/etc/mesh"] / "root-cert.pem") in json.dumps(control_plane)
        assert str(volumes["/etc/mesh"] / "token") in (bootstrap.parent / "token-sds.json").read_text()


def test_the_key_of_the_ca_does_not_come_to_the_gateway(pod: dict[str, Any]) -> None:
    (mesh,) = (volume["projected"] for volume in pod["volumes"] if volume["name"] == "mesh")
    secrets = [source["secret"] for source in mesh["sources"] if "secret" in source]
    assert [(each["optional"], [item["key"] for item in each["items"]]) for each in secrets] == [
        (True, ["root-cert.pem"])
    ]


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
