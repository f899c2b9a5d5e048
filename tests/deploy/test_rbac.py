"""The rights that the manifests give are exactly those that the control plane uses."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import KubernetesSettings, ServeSettings
from fairlead.sources.kubernetes.access import KubeconfigAccess
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer
from tests.deploy.rendering import NAMESPACE, Manifest
from tests.integration.proxy_stream import proxy_stream
from tests.integration.serving import ANYWHERE, Rig, identity, serve
from translator.model.proxy import Role
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


async def use_everything(server: ApiServer, rig: Rig) -> None:
    """Let the control plane do all that it does with a cluster."""
    who = identity("gw", NAMESPACE, role=Role.GATEWAY, labels={"istio": "ingressgateway"})
    async with proxy_stream(rig, who) as gateway:
        await gateway.ask(CLUSTER)
        await gateway.ask(LISTENER)

        async def secret_followed() -> None:
            if not server.calls.count("watch", "secrets", USER):
                raise NotYetError(str(sorted(server.calls.permissions(USER))))

        await wait_until(secret_followed, context=lambda: str(rig.logs))


@pytest.mark.usefixtures("grpc_poller")
async def test_the_roles_allow_what_is_called_and_nothing_else(written: list[Manifest], tmp_path: Path) -> None:
    called: set[tuple[str, str, str]] = set()
    # Servers that do not begin a watch with the list are asked for the list.
    for streaming in (True, False):
        async with ApiServer(authorization=True) as server:
            server.set_streaming_lists(enabled=streaming)
            server.put(*mesh_definitions())
            server.put_yaml(MESH)
            server.put(*(each for each in written if each["apiVersion"].startswith("rbac.")))
            token = server.tokens.issue(NAMESPACE, "fairlead")
            path = server.write_kubeconfig(tmp_path / "kubeconfig", token=token)
            source = KubernetesSettings(primary=KubeconfigAccess(path=str(path)), root_namespace=NAMESPACE)
            async with serve(ServeSettings(kubernetes=source, xds=ANYWHERE, admin=ANYWHERE, grace=0.2)) as rig:
                await use_everything(server, rig)
            called |= {call for call in server.calls.permissions(USER) if call[0] != "-"}
    missing, needless = called - granted(written), granted(written) - called
    assert (missing, needless) == (set(), set())
