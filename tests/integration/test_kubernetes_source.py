"""The control plane on clusters: what it serves, when, and what it says when an API server does not answer."""

from pathlib import Path

import pytest

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import KubernetesSettings, ServeSettings
from fairlead.sources.kubernetes.access import AccessError, KubeconfigAccess, PodAccess
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.errors import forbidden
from tests.apiserver.faults import Fault
from tests.apiserver.server import ApiServer
from tests.integration.clusters import (
    ROOT,
    cluster,
    endpoints,
    following,
    put_remote_secret,
    service,
    until_finding,
    until_no_findings,
    until_page,
    virtual_service,
)
from tests.integration.serving import ANYWHERE, DeltaClient, serve
from translator.objects.duration import Duration
from translator.objects.registry import Kind, ObjectKey
from xds.types import ENDPOINT

CART = "outbound|80||cart.shop.svc.cluster.local"


async def connect(client: DeltaClient) -> None:
    await client.introduce()
    await client.until(lambda: CART in client.clusters())
    await client.subscribe(ENDPOINT, [CART])


async def test_services_and_endpoints_are_served_and_followed(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1")) as server,
        following(server, tmp_path) as rig,
        DeltaClient(rig.plane.xds_address) as client,
    ):
        await connect(client)
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1"})
        server.put_yaml(endpoints("127.1.0.1", "127.1.0.2"))
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.1.0.2"})
        server.remove("discovery.k8s.io/v1", "EndpointSlice", "cart-1", "shop")
        await client.until(lambda: client.endpoints(CART) == set())


async def test_nobody_is_served_before_the_first_lists_are_complete(tmp_path: Path) -> None:
    async with cluster(service()) as server:
        with server.faults.during(Fault(resource="services", hang=True)):
            async with following(server, tmp_path, wait=False) as rig:
                page = await until_page(rig, "/ready", "not read completely yet")
                assert "for the first time" in page
                async with DeltaClient(rig.plane.xds_address) as client:
                    await client.introduce()
                    code, details = await client.status()
                    assert code.name == "UNAVAILABLE", details
                server.faults.clear()
                await until_page(rig, "/ready", "ready\n")
                async with DeltaClient(rig.plane.xds_address) as client:
                    await connect(client)


async def test_what_was_known_last_is_served_while_the_api_server_is_away(tmp_path: Path) -> None:
    async with cluster(service(), endpoints("127.1.0.1")) as server, following(server, tmp_path) as rig:
        await server.kill()
        page = await until_page(rig, "/ready", "cannot be reached")
        assert page.startswith("ready, with what was known last: cluster Kubernetes: ")
        metrics = await rig.page("/metrics")
        assert 'fairlead_cluster_faults{cluster="Kubernetes"} 0.0' not in metrics
        assert 'fairlead_cluster_objects{cluster="Kubernetes",kind="EndpointSlice"} 1.0' in metrics
        async with DeltaClient(rig.plane.xds_address) as client:
            await connect(client)
            await client.until(lambda: client.endpoints(CART) == {"127.1.0.1"})
            server.put_yaml(endpoints("127.1.0.2"))
            await server.start()
            await client.until(lambda: client.endpoints(CART) == {"127.1.0.2"})
        await until_page(rig, "/ready", "ready\n")
        await until_no_findings(rig)
        await until_page(rig, "/metrics", 'fairlead_cluster_faults{cluster="Kubernetes"} 0.0')


async def test_a_right_that_lacks_is_named(tmp_path: Path) -> None:
    async with cluster(service()) as server:
        refused = Fault(resource="endpointslices", error=forbidden("endpointslices", "", "no", "discovery.k8s.io"))
        with server.faults.during(refused):
            async with following(server, tmp_path, wait=False) as rig:
                page = await until_page(rig, "/ready", "not allowed to follow endpointslices")
                rule = '{apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: [list, watch]}'
                assert rule in page
                await until_finding(rig, "FL0010")
                server.faults.clear()
                await until_page(rig, "/ready", "ready\n")


async def test_kinds_that_are_installed_later_are_followed_from_then_on(tmp_path: Path) -> None:
    async with cluster(service(), definitions=False) as server, following(server, tmp_path) as rig:
        assert (await rig.logged("kubernetes.definitions.missing"))["kinds"]
        server.put(*mesh_definitions())
        server.put_yaml(virtual_service())
        key = ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "cart")

        async def arrived() -> None:
            if rig.plane.translator.db.store.get(key) is None:
                raise NotYetError("the VirtualService is not there")

        await wait_until(arrived)
        name = "virtualservices.networking.istio.io"
        server.remove("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, "")

        async def gone() -> None:
            (state,) = await rig.page("/debug/clusters")
            if rig.plane.translator.db.store.get(key) is not None or "VirtualService" not in state["not_served"]:
                raise NotYetError("the VirtualService is there still")

        await wait_until(gone)


async def test_a_bad_object_is_a_finding_and_its_last_good_version_stays(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service(prefix="/a")) as server, following(server, tmp_path) as rig:
        key = ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "cart")
        good = rig.plane.translator.db.store.get(key)
        assert good is not None
        broken = server.read("networking.istio.io/v1", "VirtualService", "cart", "shop")
        broken["spec"]["http"][0]["route"][0]["weight"] = "much"
        server.put(broken)
        finding = await until_finding(rig, "spec.http[0].route[0].weight")
        assert finding["object"] == "VirtualService shop/cart"
        assert rig.plane.translator.db.store.get(key) == good
        server.put_yaml(service("other"))
        server.put_yaml(virtual_service(prefix="/b"))
        await until_no_findings(rig)
        assert rig.plane.translator.db.store.get(key) != good


async def test_fields_of_a_newer_definition_have_no_effect_and_do_no_harm(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service()) as server, following(server, tmp_path) as rig:
        newer = server.read("networking.istio.io/v1", "VirtualService", "cart", "shop")
        newer["spec"]["http"][0]["teleport"] = {"to": "moon"}
        newer["spec"]["http"][0]["name"] = "newer"
        server.put(newer)
        finding = await until_finding(rig, "teleport")
        assert finding["severity"] == "warning"
        found = rig.plane.translator.db.store.get(ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "cart"))
        assert found is not None
        assert "newer" in repr(found)


async def test_the_mesh_configuration_is_followed(tmp_path: Path) -> None:
    def config(text: str) -> None:
        server.put(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "istio", "namespace": ROOT},
                "data": {"mesh": text},
            }
        )

    async with cluster(service()) as server:
        config("connectTimeout: 3s\n")
        file = {"connectTimeout": "1s", "trustDomain": "file.example"}
        async with following(server, tmp_path, mesh_config=file) as rig:
            db = rig.plane.translator.db
            assert db.settings.mesh.connect_timeout == Duration.of(seconds=3)
            assert db.settings.mesh.trust_domain == "file.example"
            config("connectTimeout: soon\n")
            await until_finding(rig, "ConfigMap istio-system/istio")
            assert db.settings.mesh.connect_timeout == Duration.of(seconds=3)
            config("connectTimeout: 4s\n")
            await until_no_findings(rig)
            assert db.settings.mesh.connect_timeout == Duration.of(seconds=4)


async def test_only_those_secrets_are_read_that_gateways_refer_to(tmp_path: Path) -> None:
    gateway = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {app: gateway}
  servers:
    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: [cart.example]
      tls: {mode: SIMPLE, credentialName: cart-cert}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway-1, namespace: shop, labels: {app: gateway}}
spec: {containers: [{name: envoy, image: envoy}]}
status: {phase: Running, podIP: 127.3.0.1}
---
apiVersion: v1
kind: Secret
metadata: {name: private, namespace: shop}
stringData: {password: hunter2}
"""
    async with cluster(gateway) as server, following(server, tmp_path) as rig:
        await until_finding(rig, "cart-cert")

        async def asked() -> None:
            namespaces = {call.namespace for call in server.calls if call.resource == "secrets"}
            assert namespaces == {"shop", ROOT}, "by name in shop, and by label in the root namespace"

        await wait_until(asked)
        assert ObjectKey(Kind.SECRET, "shop", "private") not in set(rig.plane.translator.db.store.keys())
        server.put(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "cart-cert", "namespace": "shop"},
                "stringData": {"tls.crt": "none", "tls.key": "none"},
            }
        )
        await until_finding(rig, "something else than certificates")


async def test_status_writes_cause_no_push(tmp_path: Path) -> None:
    async with (
        cluster(service(), virtual_service()) as server,
        following(server, tmp_path, writes_status=False) as rig,
        DeltaClient(rig.plane.xds_address) as client,
    ):
        await connect(client)
        pushes = len(await rig.page("/debug/pushes"))
        stored = server.read("networking.istio.io/v1", "VirtualService", "cart", "shop")
        server.put({**stored, "status": {"observedGeneration": 1, "conditions": [{"type": "X", "status": "True"}]}})
        server.put_yaml(endpoints("127.1.0.9"))
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.9"})
        assert len(await rig.page("/debug/pushes")) == pushes + 1, "the endpoints', and no other"


async def test_remote_clusters_come_change_and_go(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1")) as home,
        cluster(service(address="10.9.0.1"), endpoints("127.2.0.1"), definitions=False) as west,
        cluster(service(address="10.8.0.1"), endpoints("127.2.0.2"), definitions=False) as moved,
        following(home, tmp_path) as rig,
        DeltaClient(rig.plane.xds_address) as client,
    ):
        await connect(client)
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1"})
        put_remote_secret(home, "remote", ("west", west.kubeconfig()), ("Kubernetes", west.kubeconfig()))
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.2.0.1"})
        west.put_yaml(endpoints("127.2.0.1", "127.2.0.3"))
        await client.until(lambda: len(client.endpoints(CART)) == 3)
        put_remote_secret(home, "remote", ("west", moved.kubeconfig()))
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.2.0.2"})
        home.remove("v1", "Secret", "remote", ROOT)
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1"})
        assert [state["name"] for state in await rig.page("/debug/clusters")] == [""]


async def test_a_remote_cluster_brings_its_machines_once_it_knows_such_objects(tmp_path: Path) -> None:
    machine = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: machine, namespace: shop}
spec: {address: 127.2.0.9, labels: {app: cart}}
"""
    async with (
        cluster(service(), endpoints("127.1.0.1")) as home,
        cluster(service(address="10.9.0.1"), endpoints("127.2.0.1"), definitions=False) as west,
        following(home, tmp_path) as rig,
        DeltaClient(rig.plane.xds_address) as client,
    ):
        await connect(client)
        put_remote_secret(home, "remote", ("west", west.kubeconfig()))
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.2.0.1"})
        west.put(*mesh_definitions())
        west.put_yaml(machine)
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.2.0.1", "127.2.0.9"})
        west.put_yaml(machine.replace("127.2.0.9", "127.2.0.8"))
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.2.0.1", "127.2.0.8"})
        home.remove("v1", "Secret", "remote", ROOT)
        await client.until(lambda: client.endpoints(CART) == {"127.1.0.1"})


async def test_a_dead_cluster_does_not_hold_back_the_others(tmp_path: Path) -> None:
    async with cluster(service(), endpoints("127.1.0.1")) as home, ApiServer() as dead:
        kubeconfig = dead.kubeconfig()
        await dead.kill()
        put_remote_secret(home, "remote", ("dead", kubeconfig))
        async with following(home, tmp_path) as rig, DeltaClient(rig.plane.xds_address) as client:
            assert "dead" in (await rig.logged("kubernetes.sync.timeout"))["clusters"]
            await connect(client)
            assert "cluster dead" in await until_page(rig, "/ready", "cannot be reached")


async def test_a_kubeconfig_that_would_run_a_program_is_refused(tmp_path: Path) -> None:
    async with cluster(service(), endpoints("127.1.0.1")) as home:
        kubeconfig = home.kubeconfig(exec={"command": "/bin/true", "apiVersion": "client.authentication.k8s.io/v1"})
        put_remote_secret(home, "remote", ("evil", kubeconfig))
        async with following(home, tmp_path) as rig:
            await until_finding(rig, "must not run a program")


async def test_several_contexts_are_several_clusters(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1")) as east,
        cluster(service(), endpoints("127.2.0.1"), definitions=False) as west,
    ):
        other = KubeconfigAccess(path=str(west.write_kubeconfig(tmp_path / "west")))
        async with (
            following(east, tmp_path, others={"west": other}) as rig,
            DeltaClient(rig.plane.xds_address) as client,
        ):
            await connect(client)
            await client.until(lambda: client.endpoints(CART) == {"127.1.0.1", "127.2.0.1"})


@pytest.mark.parametrize(
    ("access", "advice"),
    [
        (KubeconfigAccess(path="/nowhere/config"), "name one with --kubeconfig"),
        (PodAccess(), "use --kubeconfig instead of --in-cluster"),
    ],
)
async def test_what_cannot_be_reached_says_what_to_do(
    access: KubeconfigAccess | PodAccess, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    settings = ServeSettings(kubernetes=KubernetesSettings(primary=access), xds=ANYWHERE, admin=ANYWHERE)
    with pytest.raises(AccessError, match=advice):
        async with serve(settings):
            pass


async def test_an_unknown_context_is_answered_with_those_there_are(tmp_path: Path) -> None:
    async with ApiServer() as server:
        path = server.write_kubeconfig(tmp_path / "config", context="east")
        access = KubeconfigAccess(path=str(path), context="west")
        settings = ServeSettings(kubernetes=KubernetesSettings(primary=access), xds=ANYWHERE, admin=ANYWHERE)
        with pytest.raises(AccessError, match="it has: east"):
            async with serve(settings):
                pass


async def test_a_token_that_was_replaced_is_used(tmp_path: Path) -> None:
    async with cluster(service(), endpoints("127.1.0.1"), authentication=True) as server:
        old = server.tokens.issue(ROOT, "fairlead")
        token = tmp_path / "token"
        token.write_text(old)
        async with following(server, tmp_path, user={"tokenFile": str(token)}) as rig:
            server.tokens.revoke(old)
            token.write_text(server.tokens.issue(ROOT, "fairlead"))
            server.drop_connections()
            server.put_yaml(endpoints("127.1.0.7"))
            async with DeltaClient(rig.plane.xds_address) as client:
                await connect(client)
                await client.until(lambda: client.endpoints(CART) == {"127.1.0.7"})
            await until_no_findings(rig)
