"""A control plane from the folder to the stream: what is written is served, followed and accounted for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from envoy.config.core.v3 import base_pb2

from fairlead.app import ControlPlane, ListenError
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import ServeSettings
from tests.integration.serving import ANYWHERE, DeltaClient, Rig, identity, serving
from translator.model.proxy import Capture, Role
from xds.types import CLUSTER, ENDPOINT

WEB = "outbound|8000||web.default.svc.cluster.local"
SUBSETS = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  workloadSelector: {matchLabels: {version: v1}}
  subsets: [{name: v1, labels: {version: v1}}]
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: default, labels: {{version: {}}}}}
status: {{podIP: 127.9.9.9, phase: Running}}
"""


@pytest.fixture
async def rig(root: Path) -> AsyncIterator[Rig]:
    async with serving(root) as rig:
        yield rig


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[DeltaClient]:
    async with DeltaClient(rig.plane.xds_address) as client:
        yield client


async def test_a_change_reaches_the_client(rig: Rig, client: DeltaClient, healthy: str) -> None:
    await client.introduce()
    await client.until(lambda: client.clusters() == {WEB})
    await client.subscribe(ENDPOINT, [WEB])
    await client.until(lambda: client.endpoints(WEB) == {"10.1.0.1"})
    rig.write("web.yaml", healthy.replace("[10.1.0.1]", "[10.1.0.2]"))
    await client.until(lambda: client.endpoints(WEB) == {"10.1.0.2"})
    rig.write("api.yaml", healthy.replace("web", "api").replace("10.96.0.1", "10.96.0.2"))
    await client.until(lambda: len(client.clusters()) == 2)
    (rig.root / "api.yaml").unlink()
    await client.until(lambda: client.clusters() == {WEB})


async def test_case_11_a_what_changes_nothing_sends_nothing(rig: Rig, client: DeltaClient, healthy: str) -> None:
    await client.introduce()
    await client.until(lambda: client.clusters() == {WEB})
    rig.write("web.yaml", "# the same with a comment\n" + healthy)
    rig.write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    await rig.logged("source.changed", kinds={"ConfigMap": 1})
    await rig.plane.pusher.idle()
    (push, *_) = await rig.page("/debug/pushes")
    assert push["objects"] == ["ConfigMap default/x"]
    assert (push["views"], push["responses"]) == (0, 0)


async def test_pushes_are_accounted_for(rig: Rig, client: DeltaClient, healthy: str) -> None:
    await client.introduce()
    await client.until(lambda: client.clusters() == {WEB})
    await client.subscribe(ENDPOINT, [WEB])
    await client.until(lambda: bool(client.endpoints(WEB)))
    rig.write("web.yaml", healthy.replace("[10.1.0.1]", "[10.1.0.2]"))
    await client.until(lambda: client.endpoints(WEB) == {"10.1.0.2"})

    async def acked() -> dict[str, object]:
        (push, *_) = await rig.page("/debug/pushes")
        if not push["acks"]:
            raise NotYetError(str(push))
        return dict(push)

    push = await wait_until(acked)
    assert push["objects"] == ["EndpointSlice default/web-1"]
    assert (push["views"], push["resources"], push["proxies"], push["responses"]) == (1, {"eds": 1}, 1, 1)
    assert push["last_ack_ms"] == push["first_ack_ms"]
    assert 0 < push["applied_ms"] <= push["published_ms"] <= push["first_ack_ms"]  # type: ignore[operator]
    assert push["bytes"] > 0  # type: ignore[operator]
    metrics = await rig.page("/metrics")
    assert "fairlead_ack_seconds_count 1.0" in metrics
    assert "fairlead_proxies 1.0" in metrics


async def test_a_proxy_moves_when_its_pod_does(rig: Rig, client: DeltaClient) -> None:
    v1 = "outbound|8000|v1|web.default.svc.cluster.local"
    rig.write("rule.yaml", SUBSETS)
    rig.write("pod.yaml", POD.format("v2"))
    await rig.logged("source.changed", objects=4)
    await client.introduce()
    await client.until(lambda: client.clusters() == {WEB})
    rig.write("pod.yaml", POD.format("v1"))
    await client.until(lambda: client.clusters() == {WEB, v1})
    assert len(list(rig.plane.translator.views)) == 1
    await rig.logged("proxy.moved", proxy="client.default")


async def test_equal_proxies_share_a_view(rig: Rig) -> None:
    async with DeltaClient(rig.plane.xds_address) as one, DeltaClient(rig.plane.xds_address) as other:
        await one.introduce(identity("one", capture=Capture.REDIRECT, addresses=("10.2.0.1",)))
        await other.introduce(identity("other", capture=Capture.REDIRECT, addresses=("10.2.0.2",)))
        await one.until(lambda: one.clusters() == {WEB})
        await other.until(lambda: other.clusters() == {WEB})
        assert len(list(rig.plane.translator.views)) == 1
        assert {page["proxy"] for page in await rig.page("/debug/proxies")} == {"one.default", "other.default"}

    async def gone() -> None:
        if len(rig.plane.proxies) or list(rig.plane.translator.views):
            raise NotYetError("proxies or views are left")

    await wait_until(gone)


async def test_a_gateway(rig: Rig, client: DeltaClient) -> None:
    await client.introduce(identity("gateway", role=Role.GATEWAY, labels={"istio": "ingressgateway"}))
    await client.until(lambda: CLUSTER in client.resources)

    async def synced() -> None:
        (page,) = await rig.page("/debug/proxies")
        assert (page["proxy"], page["role"], page["protocol"]) == ("gateway.default", "router", "delta")
        assert page["types"]["cds"]["state"] == "SYNCED"

    await wait_until(synced)


async def test_a_nack_names_the_objects_to_blame(rig: Rig, client: DeltaClient, healthy: str) -> None:
    await client.introduce()
    await client.until(lambda: client.clusters() == {WEB})
    client.refuse = lambda _: "I do not like it"
    rig.write("api.yaml", healthy.replace("web", "api").replace("10.96.0.1", "10.96.0.2"))
    await client.hear()
    entry = await rig.logged("proxy.nack")
    assert entry["log_level"] == "error"
    assert entry["proxy"] == identity().node_id
    assert entry["type"] == "cds"
    assert entry["resource"] == "outbound|8000||api.default.svc.cluster.local"
    assert entry["error"] == "I do not like it"
    assert "Service default/api" in entry["objects"]
    (push, *_) = await rig.page("/debug/pushes")
    assert push["refusals"] == [
        {"proxy": identity().node_id, "type": "cds", "resources": [entry["resource"]], "error": "I do not like it"}
    ]


async def test_the_pages(rig: Rig) -> None:
    assert await rig.page("/ready") == "ready\n"
    assert await rig.page("/healthz") == "ok\n"
    assert '"version"' in await rig.page("/version")
    assert "/debug/proxies" in await rig.page("/")
    assert "fairlead_objects 2.0" in await rig.page("/metrics")
    assert await rig.page("/debug/findings") == []
    assert await rig.page("/debug/proxies") == []


async def test_findings_are_live(rig: Rig) -> None:
    route = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: r, namespace: default}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: nobody}}]}]
"""
    rig.write("route.yaml", route)
    entry = await rig.logged("finding.new")
    assert entry["code"] == "IST0101"
    assert entry["file"] == "route.yaml"
    (finding,) = await rig.findings()
    assert (finding["object"], finding["field"]) == (
        "VirtualService default/r",
        "spec.http[0].route[0].destination.host",
    )
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: nobody}\nspec: {ports: [{name: http, port: 80}]}\n"
    rig.write("nobody.yaml", service)
    await rig.logged("finding.resolved", code="IST0101")
    assert await rig.findings() == []


async def test_a_port_that_is_taken(rig: Rig) -> None:
    taken = rig.plane.xds_address
    settings = ServeSettings(config_dir=rig.root, xds=taken, admin=ANYWHERE)
    with pytest.raises(ListenError, match=f"cannot serve xDS on {taken}"):
        await ControlPlane(settings).run()
    settings = ServeSettings(config_dir=rig.root, xds=ANYWHERE, admin=rig.plane.admin_address)
    with pytest.raises(ListenError, match=f"cannot serve the admin pages on {rig.plane.admin_address}"):
        await ControlPlane(settings).run()


async def test_stopping_tells_the_clients(root: Path) -> None:
    async with serving(root) as rig, DeltaClient(rig.plane.xds_address) as client:
        await client.introduce()
        await client.until(lambda: client.clusters() == {WEB})
        rig.plane.stop()
        code, reason = await client.status()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert reason == "the server is shutting down"


async def test_case_29_nobody_is_served_before_the_first_load(root: Path) -> None:
    async with serving(root, wait=False) as rig:
        plane = rig.plane
        plane._discovery.is_open = False
        async with asyncio.timeout(10):
            await plane.ready.wait()
        plane._discovery.is_open = False
        async with DeltaClient(plane.xds_address) as client:
            await client.introduce()
            code, reason = await client.status()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert reason == "the configuration is still being read for the first time"
        assert await rig.page("/ready") == reason + "\n"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (base_pb2.Node(id="sidecar~1.2.3.4~a.b"), "does not have the form type~ip~name.namespace~domain"),
        (base_pb2.Node(id="envoy"), "does not have the form type~ip~name.namespace~domain"),
        (base_pb2.Node(id="ztunnel~1.2.3.4~a.b~b.svc.cluster.local"), "unsupported type 'ztunnel'"),
        (base_pb2.Node(id="sidecar~nowhere~a.b~b.svc.cluster.local"), "no valid IP address"),
        (base_pb2.Node(id="sidecar~1.2.3.4~~"), "names no workload and namespace"),
    ],
)
async def test_case_36_a_node_that_makes_no_sense_ends_the_stream(
    rig: Rig, client: DeltaClient, node: base_pb2.Node, reason: str
) -> None:
    await client.introduce(node)
    code, details = await client.status()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert reason in details
    await rig.logged("stream.refused", code="INVALID_ARGUMENT", reason=details)
    async with DeltaClient(rig.plane.xds_address) as other:
        await other.introduce()
        await other.until(lambda: other.clusters() == {WEB})
