"""The rights that the manifests give are exactly those that the control plane uses."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from fairlead.authentication.token import TokenRefusedError
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.sources.source import ClusterSource
from tests.apiserver.definitions import mesh_definitions, plural
from tests.apiserver.server import ApiServer
from tests.deploy.rendering import NAMESPACE, Manifest
from tests.integration.clusters import following
from tests.integration.proxy_stream import proxy_stream
from tests.integration.serving import Rig, identity
from translator.model.proxy import Role
from translator.objects.registry import KINDS
from xds.types import CLUSTER, LISTENER

USER = f"system:serviceaccount:{NAMESPACE}:fairlead"
# A gateway whose certificate is in one Secret, and the roots of its clients in a ConfigMap.
MESH = """
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: https, port: 443, targetPort: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [web.example.com]
    tls: {mode: SIMPLE, credentialName: web}
"""


def granted(manifests: Iterable[Manifest]) -> set[tuple[str, str, str]]:
    """The (group, resource, verb) of all roles."""
    return {
        (group, resource, verb)
        for manifest in manifests
        if manifest["kind"] in {"ClusterRole", "Role"}
        for rule in manifest["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def one_of_each() -> Iterator[Manifest]:
    """An object of every kind of Istio's: what is wrong with it is told in its status, and in an Event."""
    for spec in KINDS:
        if spec.is_istio:
            api_version = f"{spec.group}/{spec.versions[0]}"
            metadata = {"name": "empty", "namespace": NAMESPACE}
            yield {"apiVersion": api_version, "kind": spec.kind.bare, "metadata": metadata, "spec": {}}


def in_namespace(manifest: Manifest) -> Manifest:
    """The manifest as kustomize puts it into its namespace."""
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}


async def use_everything(server: ApiServer, rig: Rig) -> None:
    """Let the control plane do all that it does with a cluster."""
    who = identity("gw", NAMESPACE, role=Role.GATEWAY, labels={"istio": "ingressgateway"})
    async with proxy_stream(rig, who) as gateway:
        await gateway.ask(CLUSTER)
        await gateway.ask(LISTENER)

        statuses = {f"{plural(spec.kind.bare)}/status" for spec in KINDS if spec.is_istio}
        wanted = {("patch", status) for status in statuses} | {
            ("watch", "secrets"),
            ("create", "events"),
            ("create", "leases"),
            ("update", "leases"),
            ("create", "configmaps"),
        }

        async def used() -> None:
            missing = [each for each in wanted if not server.calls.count(each[0], each[1], USER)]
            if missing:
                raise NotYetError(f"never called: {sorted(missing)}")

        await wait_until(used, context=lambda: str(rig.logs))
    source = rig.plane._source
    assert isinstance(source, ClusterSource)
    with pytest.raises(TokenRefusedError):
        await source.token_verifier("istio-ca").verify("of nobody")


@pytest.mark.usefixtures("grpc_poller")
async def test_the_roles_allow_what_is_called_and_nothing_else(written: list[Manifest], tmp_path: Path) -> None:
    called: set[tuple[str, str, str]] = set()
    # Servers that do not begin a watch with the list are asked for the list.
    for streaming in (True, False):
        async with ApiServer(authorization=True) as server:
            server.set_streaming_lists(enabled=streaming)
            server.put(*mesh_definitions())
            server.put_yaml(MESH)
            server.put(*one_of_each())
            server.put(*(in_namespace(each) for each in written if each["apiVersion"].startswith("rbac.")))
            token = server.tokens.issue(NAMESPACE, "fairlead")
            async with (
                following(server, tmp_path, user={"token": token}, identity="first") as rig,
                following(server, tmp_path, user={"token": token}, identity="second") as other,
            ):
                await use_everything(server, rig)
            refused = [entry for entry in (*rig.logs, *other.logs) if "forbidden" in str(entry)]
            assert not refused
            called |= {call for call in server.calls.permissions(USER) if call[0] != "-"}
    missing, needless = called - granted(written), granted(written) - called
    assert (missing, needless) == (set(), set())
