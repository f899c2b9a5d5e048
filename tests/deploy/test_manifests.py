"""The manifests for Kubernetes: valid by its schemas, the same from both tools, and as restricted as they can be."""

import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from cryptography import x509
from typer.testing import CliRunner

from fairlead.address import Address
from fairlead.ca.folder import load_authority
from fairlead.cli.main import build_app
from fairlead.identity import PROMETHEUS_PORT, STATUS_PORT
from fairlead.trust import MeshTrust, open_folder
from fairlead.trust_settings import TrustSettings
from tests.apiserver import real
from tests.apiserver.cluster import Cluster
from tests.apiserver.kinds import KindRegistry
from tests.apiserver.schemas import find_schema, judge
from tests.apiserver.server import ApiServer
from tests.deploy import rendering
from tests.deploy.rendering import NAMESPACE, Manifest, Refused, by_identity
from tests.integration.serving import serving
from xds.options import ServerOptions

CONTROL_PLANE = ("Deployment", "fairlead")
GATEWAY = ("Deployment", "fairlead-ingressgateway")


def containers(deployment: Manifest) -> list[dict[str, Any]]:
    spec = deployment["spec"]["template"]["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def deployments(manifests: list[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == "Deployment"]


def test_the_schemas_of_kubernetes_hold(manifests: list[Manifest]) -> None:
    kinds = KindRegistry()
    for manifest in manifests:
        kind = kinds.by_kind(manifest["apiVersion"], manifest["kind"])
        assert kind is not None, manifest["kind"]
        schema = find_schema(kind, manifest["apiVersion"].rpartition("/")[2])
        assert schema is not None
        verdict = judge(schema, manifest)
        assert (verdict.unknown, verdict.problems) == ([], []), rendering.identity(manifest)


def test_a_misspelt_field_would_be_found(written: list[Manifest]) -> None:
    kind = KindRegistry().by_kind("apps/v1", "Deployment")
    assert kind is not None
    schema = find_schema(kind, "v1")
    assert schema is not None
    deployment = by_identity(written)[CONTROL_PLANE]
    deployment = {**deployment, "spec": {**deployment["spec"], "replica": 2, "strategy": {"type": 5}}}
    verdict = judge(schema, deployment)
    assert verdict.unknown == ["spec.replica"]
    assert [path for path, _ in verdict.problems] == ["spec.strategy.type"]


@pytest.mark.parametrize("server", ["stand-in", "real"])
async def test_an_api_server_accepts_them(manifests: list[Manifest], server: str, tmp_path: Path) -> None:
    if server == "real" and (reason := real.missing()):
        pytest.skip(reason)
    kinds = KindRegistry()
    async with real.real_cluster(tmp_path) if server == "real" else stand_in() as cluster:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await cluster.create("/api/v1/namespaces", namespace)
        for manifest in manifests:
            kind = kinds.by_kind(manifest["apiVersion"], manifest["kind"])
            assert kind is not None
            root = f"/apis/{manifest['apiVersion']}" if kind.group else "/api/v1"
            place = f"/namespaces/{NAMESPACE}" if kind.namespaced else ""
            await cluster.create(f"{root}{place}/{kind.plural}", manifest, fieldValidation="Strict")


@asynccontextmanager
async def stand_in() -> AsyncIterator[Cluster]:
    """A cluster of the API server for tests."""
    async with ApiServer() as server, Cluster(server.url) as cluster:
        yield cluster


def test_kustomize_and_helm_render_the_same(kustomization: Path, chart: Path) -> None:
    assert by_identity(rendering.helm(chart)) == by_identity(rendering.kustomize(kustomization))


def test_the_monitors_are_the_same_too(chart: Path, project_root: Path, tmp_path: Path) -> None:
    base = project_root / "deploy" / "kustomize"
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (tmp_path / "deploy").symlink_to(base)
    components = ["../deploy/components/service-monitor"]
    content = {"resources": ["../deploy/base"], "components": components, "namespace": NAMESPACE}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
    rendered = by_identity(rendering.helm(chart, {"serviceMonitor": {"enabled": True}}))
    assert rendered == by_identity(rendering.kustomize(overlay))
    monitored = rendered["ServiceMonitor", "fairlead"]["spec"]
    service = rendered["Service", "fairlead"]
    assert monitored["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitored["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}


def test_everything_runs_restricted(manifests: list[Manifest]) -> None:
    """Kubernetes: the restricted profile of the Pod Security Standards, and a root file system that is read only."""
    for deployment in deployments(manifests):
        pod = deployment["spec"]["template"]["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] > 0
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(deployment):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_selectors_find_their_pods(manifests: list[Manifest]) -> None:
    pods = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in deployments(manifests)}
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        selector = manifest["spec"].get("selector") if "spec" in manifest else None
        if manifest["kind"] == "NetworkPolicy":
            selector = manifest["spec"]["podSelector"]
        if selector:
            labels = selector.get("matchLabels", selector)
            chosen = [pod for pod, its in pods.items() if labels.items() <= its.items()]
            assert chosen == [name], rendering.identity(manifest)


def test_ports_by_name_exist(manifests: list[Manifest]) -> None:
    found = by_identity(manifests)
    for name in ("fairlead", "fairlead-ingressgateway"):
        ports = [port for each in containers(found["Deployment", name]) for port in each.get("ports", ())]
        names, numbers = {port["name"] for port in ports}, {port["containerPort"] for port in ports}
        wanted = [port["targetPort"] for port in found["Service", name]["spec"]["ports"]]
        rules = found["NetworkPolicy", name]["spec"]["ingress"]
        wanted += [port["port"] for rule in rules for port in rule["ports"]]
        probes = ("startupProbe", "readinessProbe", "livenessProbe")
        each = found["Deployment", name]["spec"]["template"]["spec"]["containers"][0]
        wanted += [each[probe]["httpGet"]["port"] for probe in probes if probe in each]
        assert {port for port in wanted if isinstance(port, str)} <= names
        assert {port for port in wanted if isinstance(port, int)} <= numbers


def test_there_are_two_of_each_at_least(manifests: list[Manifest]) -> None:
    found = by_identity(manifests)
    for name in ("fairlead", "fairlead-ingressgateway"):
        assert found["HorizontalPodAutoscaler", name]["spec"]["minReplicas"] == 2
        assert found["PodDisruptionBudget", name]["spec"]["minAvailable"] == 1
        assert "replicas" not in found["Deployment", name]["spec"], "an update would undo what the autoscaler did"


def test_the_service_offers_the_ports_of_the_control_plane(manifests: list[Manifest]) -> None:
    service = by_identity(manifests)["Service", "fairlead"]
    assert {port["port"] for port in service["spec"]["ports"]} == {15010, 15012, 15014}


def test_the_gateway_calls_the_control_plane_by_a_name_in_its_certificate(
    manifests: list[Manifest], tmp_path: Path
) -> None:
    found = by_identity(manifests)
    environment = {each["name"]: each.get("value") for each in containers(found[GATEWAY])[0]["env"]}
    host = str(environment["XDS_HOST"]).replace("$(POD_NAMESPACE)", NAMESPACE)
    assert found["Service", "fairlead"]["metadata"]["name"] == host.partition(".")[0]
    settings = TrustSettings(ca_dir=tmp_path / "ca")
    folder = open_folder(settings, "cluster.local")
    assert folder is not None
    trust = MeshTrust(settings, folder, Address("0.0.0.0", 15010), Address("0.0.0.0", 15012), lambda *_: None)  # noqa: S104
    tls = trust.server_options(ServerOptions(), NAMESPACE).tls
    assert tls is not None
    leaf = x509.load_pem_x509_certificates(tls.load().chain)[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert host in names.get_values_for_type(x509.DNSName)


def test_the_ca_is_a_secret_that_need_not_be_there(manifests: list[Manifest]) -> None:
    pod = by_identity(manifests)[CONTROL_PLANE]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    (volume,) = (each for each in pod["volumes"] if "secret" in each)
    assert volume["secret"] == {"secretName": "cacerts", "optional": True, "defaultMode": 0o440}
    assert mounts[volume["name"]]["readOnly"] is True
    assert {f"--ca-dir={mounts[volume['name']]['mountPath']}", "--ca-optional"} <= set(container["args"])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_the_documented_command_makes_a_ca(project_root: Path, tmp_path: Path) -> None:
    lines = (project_root / "docs" / "kubernetes-deploy.md").read_text().replace("\\\n", "").splitlines()
    (command,) = (line for line in lines if line.startswith("openssl "))
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    shutil.copy(tmp_path / "ca-cert.pem", tmp_path / "root-cert.pem")
    authority = load_authority(tmp_path)
    leaf = x509.load_pem_x509_certificates(authority.issue(["fairlead"]).chain)[0]
    leaf.verify_directly_issued_by(authority.certificate)


def test_the_gateways_probes_are_envoys_own(manifests: list[Manifest]) -> None:
    (envoy,) = by_identity(manifests)[GATEWAY]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in envoy["ports"]}
    assert (ports["status"], ports["http-envoy-prom"]) == (STATUS_PORT, PROMETHEUS_PORT)


@pytest.mark.parametrize(
    ("values", "absent"),
    [
        ({"gateway": {"enabled": False}}, GATEWAY),
        ({"autoscaling": {"enabled": False}}, ("HorizontalPodAutoscaler", "fairlead")),
        ({"autoscaling": {"enabled": False}, "replicas": 1}, ("PodDisruptionBudget", "fairlead")),
        ({"networkPolicy": {"enabled": False}}, ("NetworkPolicy", "fairlead")),
    ],
    ids=["gateway", "autoscaling", "one replica", "policies"],
)
def test_parts_of_the_chart_can_be_left_out(chart: Path, values: dict[str, object], absent: tuple[str, str]) -> None:
    assert absent in by_identity(rendering.helm(chart))
    rendered = by_identity(rendering.helm(chart, values))
    assert absent not in rendered
    if "replicas" in values:
        assert rendered[CONTROL_PLANE]["spec"]["replicas"] == 1


def test_values_arrive_where_they_belong(chart: Path) -> None:
    values = {
        "image": {"repository": "registry.example/fairlead", "tag": "9"},
        "clusterId": "east",
        "meshConfig": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}},
        "plaintextSecrets": True,
        "extraArguments": ["--shadow-host-suffix"],
        "nodeSelector": {"disk": "fast"},
        "gateway": {
            "name": "edge",
            "labels": {"istio": "edge", "tier": "public"},
            "service": {"type": "NodePort", "ports": [{"name": "http2", "port": 8000, "targetPort": 9000}]},
        },
    }
    found = by_identity(rendering.helm(chart, values))
    (control_plane,) = containers(found[CONTROL_PLANE])
    assert control_plane["image"] == "registry.example/fairlead:9"
    assert {"--cluster-id=east", "--plaintext-secrets", "--shadow-host-suffix"} <= set(control_plane["args"])
    assert found[CONTROL_PLANE]["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "fast"}
    assert yaml.safe_load(found["ConfigMap", "istio"]["data"]["mesh"]) == values["meshConfig"]
    edge = found["Deployment", "edge"]["spec"]["template"]
    assert {"istio": "edge", "tier": "public"}.items() <= edge["metadata"]["labels"].items()
    bootstrap, envoy = containers(found["Deployment", "edge"])
    assert {each["name"]: each.get("value") for each in bootstrap["env"]}["POD_LABELS"] == "istio=edge,tier=public"
    assert [port["containerPort"] for port in envoy["ports"]] == [9000, STATUS_PORT, PROMETHEUS_PORT]
    assert found["Service", "edge"]["spec"]["type"] == "NodePort"


@pytest.mark.parametrize(
    "values", [{"replica": 3}, {"gateway": {"service": {"ports": [{"name": "http", "port": 80, "targetPort": 80}]}}}]
)
def test_values_that_cannot_be_are_refused(chart: Path, values: dict[str, object]) -> None:
    with pytest.raises(Refused, match="values don't meet the specifications of the schema"):
        rendering.helm(chart, values)


@pytest.mark.usefixtures("grpc_poller")
async def test_the_control_planes_probes_are_answered(manifests: list[Manifest], tmp_path: Path) -> None:
    (container,) = containers(by_identity(manifests)[CONTROL_PLANE])
    probes = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    async with serving(tmp_path) as rig:
        for path in sorted(probes | {"/metrics"}):
            async with aiohttp.request("GET", f"http://{rig.plane.admin_address}{path}") as response:
                assert response.status == 200, path


def test_the_control_plane_takes_its_arguments(manifests: list[Manifest]) -> None:
    (container,) = containers(by_identity(manifests)[CONTROL_PLANE])
    done = CliRunner().invoke(build_app(), [*container["args"], "--help"])
    assert done.exit_code == 0, done.output
