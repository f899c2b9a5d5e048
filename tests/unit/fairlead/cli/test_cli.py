"""The command line: what is printed, where, and with which exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from fairlead.cli.main import COMMANDS, build_app

Run = Callable[..., Result]

MESH = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: default, labels: {app: web}}
status: {podIP: 10.1.0.1, phase: Running}
"""
NOBODY = "nobody.default.svc.cluster.local"
BROKEN = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: r}
spec: {hosts: [web], htp: []}
"""
MISSING = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: m}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: nobody}}]}]
"""


@pytest.fixture
def run() -> Run:
    def invoke(*arguments: object, stdin: str = "") -> Result:
        return CliRunner().invoke(build_app(), [str(each) for each in arguments], input=stdin)

    return invoke


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "mesh.yaml").write_text(MESH)
    return folder


def test_the_version(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("fairlead ")


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name, _ in COMMANDS)])
def test_help_teaches_by_example(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert f"fairlead {arguments[0]}" in result.stdout or arguments == ["--help"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve"],
        ["serve", "--config-dir", "/nowhere/at/all"],
        ["serve", "--config-dir", ".", "--xds", "15010"],
        ["bootstrap", "waypoint", "--namespace", "a", "--name", "b", "--ip", "10.0.0.1"],
        ["bootstrap", "sidecar", "--namespace", "a", "--name", "b", "--ip", "nowhere"],
        ["bootstrap", "sidecar", "--namespace", "a", "--name", "b", "--ip", "10.0.0.1", "--labels", "x"],
        ["bootstrap", "sidecar", "--namespace", "a", "--name", "b", "--ip", "10.0.0.1", "--locality", "a/b/c/d"],
        ["bootstrap", "sidecar", "--namespace", "a", "--name", "b", "--ip", "10.0.0.1", "--capture", "magic"],
        ["translate", "--config-dir", ".", "sidecar", "--namespace", "a", "--type", "cds,xds"],
        ["validate"],
        ["validate", "-f", "/nowhere/at/all"],
        ["validate", "-f", ".", "-o", "xml"],
    ],
)
def test_wrong_usage(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_bootstrap_of_an_application_without_proxy(run: Run) -> None:
    who = ("--namespace", "shop", "--name", "web-1", "--ip", "10.0.0.1", "--xds", "fairlead:15010")
    result = run("bootstrap", "sidecar", "--proxyless", *who)
    found = json.loads(result.stdout)
    assert found["xds_servers"][0]["server_uri"] == "fairlead:15010"
    assert found["node"]["metadata"]["GENERATOR"] == "grpc"
    assert found["server_listener_resource_name_template"] == "xds.istio.io/grpc/lds/inbound/%s"
    assert run("bootstrap", "gateway", "--proxyless", *who).exit_code == 2


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_bootstrap(run: Run, output: str) -> None:
    result = run(
        *("bootstrap", "sidecar", "--namespace", "shop", "--name", "web-1", "--ip", "127.1.2.3,fd00::1"),
        *("--labels", "app=web,version=v1", "--xds", "[::1]:15010", "--admin-port", 15999, "--capture", "none"),
        *("--sotw", "--service-account", "web", "--cluster-id", "east", "--network", "net", "--locality", "eu/eu-a"),
        *("-o", output),
    )
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout) if output == "json" else yaml.safe_load(result.stdout)
    assert found["node"] == {
        "id": "sidecar~127.1.2.3~web-1.shop~shop.svc.cluster.local",
        "cluster": "web.shop",
        "locality": {"region": "eu", "zone": "eu-a"},
        "metadata": {
            "NAMESPACE": "shop",
            "SERVICE_ACCOUNT": "web",
            "WORKLOAD_NAME": "web",
            "CLUSTER_ID": "east",
            "NETWORK": "net",
            "INSTANCE_IPS": "127.1.2.3,fd00::1",
            "INTERCEPTION_MODE": "NONE",
            "ENVOY_STATUS_PORT": "15021",
            "ENVOY_PROMETHEUS_PORT": "15090",
            "LABELS": {"app": "web", "version": "v1"},
        },
    }
    assert found["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 15999}
    assert found["dynamic_resources"]["ads_config"]["api_type"] == "GRPC"


def test_translate(run: Run, mesh: Path) -> None:
    result = run("translate", "--config-dir", mesh, "sidecar", "--namespace", "default")
    assert result.exit_code == 0
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert list(found) == ["cds", "eds", "lds", "rds"]
    assert "outbound|8000||web.default.svc.cluster.local" in [each["name"] for each in found["cds"]]
    assert "virtualInbound" in [each["name"] for each in found["lds"]]


def test_translate_some_types_for_a_gateway_as_yaml(run: Run, mesh: Path) -> None:
    result = run(
        "translate", "--config-dir", mesh, "gateway", "--namespace", "default", "--type", "RDS,cds", "-o", "yaml"
    )
    assert result.exit_code == 0
    assert list(yaml.safe_load(result.stdout)) == ["rds", "cds"]


def test_translate_knows_the_pods_of_the_folder(run: Run, mesh: Path) -> None:
    result = run(
        "translate", "--config-dir", mesh, "sidecar", "--namespace", "default", "--name", "web-1", "--type", "cds"
    )
    assert "inbound|80||" in [each["name"] for each in json.loads(result.stdout)["cds"]]


def test_translate_says_what_is_wrong_and_prints_the_rest(run: Run, mesh: Path) -> None:
    (mesh / "bad.yaml").write_text(BROKEN)
    result = run("translate", "--config-dir", mesh, "sidecar", "--namespace", "default", "--type", "cds")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["cds"]
    assert result.stderr == (
        "bad.yaml:4: error: VirtualService default/r: spec.htp: unknown field; did you mean http? [IST0106]\n"
    )


def test_translate_with_a_mesh_config_that_is_wrong(run: Run, mesh: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("nonsense: 1")
    result = run("translate", "--config-dir", mesh, "--mesh-config", config, "sidecar", "--namespace", "default")
    assert result.exit_code == 1
    assert "nonsense: unknown field" in result.stderr
    assert result.stdout == ""


def test_validate_finds_nothing(run: Run, mesh: Path) -> None:
    result = run("validate", "-f", mesh)
    assert result.exit_code == 0
    assert result.stdout == "Nothing is wrong (1 files, 2 objects)\n"


def test_validate_finds_faults_of_objects_and_between_them(run: Run, mesh: Path) -> None:
    (mesh / "a.yaml").write_text(BROKEN)
    (mesh / "b.yaml").write_text(MISSING)
    result = run("validate", "-f", mesh)
    assert result.exit_code == 1
    for text in (
        "a.yaml:4",
        "VirtualService default/r",
        "spec.htp: unknown field; did you mean http? [IST0106]",
        "b.yaml:6",
        "spec.http[0].route[0].destination.host: host nobody.default.svc.cluster.local is provided by no Service",
        "2 findings, 2 of them errors (3 files, 3 objects)",
    ):
        assert text in result.stdout


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_validate_for_programs(run: Run, mesh: Path, output: str) -> None:
    (mesh / "b.yaml").write_text(MISSING)
    result = run("validate", "-f", mesh / "mesh.yaml", "-f", mesh / "b.yaml", "-o", output)
    assert result.exit_code == 1
    found = json.loads(result.stdout) if output == "json" else yaml.safe_load(result.stdout)
    assert (found["files"], found["objects"]) == (2, 3)
    assert found["findings"] == [
        {
            "severity": "error",
            "code": "IST0101",
            "object": "VirtualService default/m",
            "file": str(mesh / "b.yaml"),
            "document": 1,
            "line": 6,
            "field": "spec.http[0].route[0].destination.host",
            "reason": f"host {NOBODY} is provided by no Service or ServiceEntry: requests get 503",
        }
    ]


def test_validate_standard_input(run: Run) -> None:
    result = run("validate", "-f", "-", stdin=BROKEN)
    assert result.exit_code == 1
    assert "stdin:4" in result.stdout


def test_a_part_of_a_mesh_may_refer_to_the_rest(run: Run) -> None:
    result = run("validate", "-f", "-", stdin=MISSING)
    assert result.exit_code == 0
    assert "is provided by no Service or ServiceEntry" in result.stdout
    assert "1 findings, 0 of them errors" in result.stdout
