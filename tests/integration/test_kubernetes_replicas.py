"""Statuses that tell of the proxies of all replicas, whichever of them writes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from envoy.service.discovery.v3 import discovery_pb2

from fairlead.address import Address
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.waiting import DEADLINE, NotYetError, wait_until
from fairlead.status.condition import Refusal
from fairlead.status.report import ObjectReport
from tests.apiserver.server import ApiServer
from tests.integration.clusters import ROOT, cluster, endpoints, following, service, virtual_service
from tests.integration.serving import DeltaClient, Rig, identity
from translator.objects.registry import Kind
from xds.types import ROUTE

ISTIO = "networking.istio.io/v1"
LABELS = {"app.kubernetes.io/part-of": "fairlead", "app.kubernetes.io/component": "status-report"}


def condition(server: ApiServer, kind: str) -> dict[str, Any]:
    """A condition of the VirtualService."""
    status = server.read(ISTIO, "VirtualService", "cart", "shop").get("status", {})
    found: list[dict[str, Any]] = [each for each in status.get("conditions", ()) if each["type"] == kind]
    return found[0] if found else {}


async def until(
    server: ApiServer, kind: str, status: str, text: str = "", deadline: float = DEADLINE
) -> dict[str, Any]:
    """Wait until a condition has a status, and says something."""

    async def probe() -> dict[str, Any]:
        found = condition(server, kind)
        if found.get("status") != status or text not in f"{found.get('reason')} {found.get('message')}":
            raise NotYetError(f"{found}; {reports(server)}")
        return found

    return await wait_until(probe, deadline=deadline)


def reports(server: ApiServer) -> list[dict[str, Any]]:
    """The ConfigMaps with reports."""
    return [each for each in server.storage.rows(("", "configmaps"), ROOT) if "report" in each.get("data", {})]


async def until_no_reports(server: ApiServer) -> None:
    """Wait until no replica reports any more."""

    async def probe() -> None:
        if found := reports(server):
            raise NotYetError(f"{found}")

    await wait_until(probe)


@asynccontextmanager
async def replicas(server: ApiServer, folder: Path) -> AsyncIterator[tuple[Rig, Rig]]:
    """The replica that writes, and another one that has said that it is there."""
    async with following(server, folder, identity="Leader_1") as leader:
        await leader.logged("lease.held")
        async with following(server, folder, identity="Other_2") as other:

            async def reported() -> None:
                if not reports(server):
                    raise NotYetError("no report")

            await wait_until(reported)
            yield leader, other


@asynccontextmanager
async def proxy(address: Address, name: str) -> AsyncIterator[DeltaClient]:
    """A proxy that has the routes of the VirtualService."""
    async with DeltaClient(address) as client:
        await client.introduce(identity(name))
        await client.until(lambda: bool(client.clusters()))
        await client.subscribe(ROUTE, ["80"])
        await client.until(lambda: bool(client.resources.get(ROUTE)))
        yield client


def refuse(response: discovery_pb2.DeltaDiscoveryResponse) -> str:
    """Envoy's words on a route of which it does not think much."""
    return "Only one route, please" if any(b"/bad" in each.resource.value for each in response.resources) else ""


async def test_what_all_replicas_proxies_say_is_in_the_status(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server,
        replicas(server, tmp_path) as (leader, other),
        proxy(leader.plane.xds_address, "near") as near,
        proxy(other.plane.xds_address, "far") as far,
    ):
        far.refuse = refuse
        server.put_yaml(virtual_service(prefix="/bad"))
        await near.hear()
        await far.hear()
        accepted = await until(server, "Accepted", "False", "Only one route, please")
        assert "rejected by 1 proxy: far.default (rds 80)" in accepted["message"]
        await until(server, "Reconciled", "False", "1 of 2 proxies")
        server.put_yaml(virtual_service(prefix="/good"))
        await near.hear()
        await far.hear()
        await until(server, "Accepted", "True")
        await until(server, "Reconciled", "True", "2 of 2 proxies")


async def test_a_replica_that_ends_takes_its_report_along(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server,
        AsyncExitStack() as stack,
    ):
        _, other = await stack.enter_async_context(replicas(server, tmp_path))
        async with proxy(other.plane.xds_address, "far") as far:
            far.refuse = refuse
            server.put_yaml(virtual_service(prefix="/bad"))
            await far.hear()
            await until(server, "Accepted", "False", "far.default")
            other.plane.stop()
            await until(server, "Accepted", "True")
            await until_no_reports(server)


async def test_what_a_dead_replica_said_runs_out_and_is_cleared_away(tmp_path: Path) -> None:
    async with cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server:
        said = ObjectReport(
            kind=Kind.VIRTUAL_SERVICE,
            namespace="shop",
            name="cart",
            generation=1,
            reached=3,
            acknowledged=2,
            refusals=(Refusal("gone.shop", "rds 80", "No, thanks"),),
        )
        metadata = {"name": "fairlead-report-dead", "namespace": ROOT, "labels": LABELS}
        data = {"report": msgspec.json.encode([said]).decode()}
        server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
        async with following(server, tmp_path):
            await until(server, "Accepted", "False", "gone.shop (rds 80): No, thanks")
            await until(server, "Reconciled", "False", "2 of 3 proxies")
            await until(server, "Accepted", "True")
            await until(server, "Reconciled", "True", "NoProxies")
            await until_no_reports(server)


async def test_reports_are_renewed_but_nothing_else_is_written_when_nothing_changes(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server,
        replicas(server, tmp_path) as (leader, other),
        proxy(leader.plane.xds_address, "near") as near,
        proxy(other.plane.xds_address, "far") as far,
    ):
        server.put_yaml(virtual_service(prefix="/new"))
        await near.hear()
        await far.hear()
        await until(server, "Reconciled", "True", "2 of 2 proxies")
        content = reports(server)[0]["data"]
        pushes = len(await leader.page("/debug/pushes")), len(await other.page("/debug/pushes"))
        server.calls.clear()

        async def renewed() -> None:
            if server.calls.count("patch", "configmaps") < 3:
                raise NotYetError("the report was not renewed three times")

        await wait_until(renewed)
        assert server.calls.count("patch") == server.calls.count("patch", "configmaps")
        assert server.calls.count("create") == server.calls.count("delete") == 0
        assert [each["data"] for each in reports(server)] == [content]
        assert (len(await leader.page("/debug/pushes")), len(await other.page("/debug/pushes"))) == pushes


async def test_one_of_several_workers_writes_for_all(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(cluster(service(), endpoints("127.1.0.1"), virtual_service()))
        source = ("--kubernetes", "--kubeconfig", str(server.write_kubeconfig(tmp_path / "config")))
        ip = stack.enter_context(Addresses()).ip()
        listening = (str(Address(ip, 15010)), str(Address(ip, 15014)))
        plane = await stack.enter_async_context(
            ControlPlaneProcess(source, listening, tmp_path / "plane.log", "--workers", "2")
        )
        clients = [await stack.enter_async_context(proxy(Address.parse(plane.xds), str(n))) for n in range(12)]
        assert {each["worker"] for each in await plane.debug("proxies")} == {1, 2}

        async def reported() -> None:
            if len(reports(server)) != 1:
                raise NotYetError(f"not one report: {reports(server)}")

        await wait_until(reported, context=plane.describe)
        server.put_yaml(virtual_service(prefix="/new"))
        for client in clients:
            await client.hear()
        # The first status was written just before: there are ten seconds between two.
        await until(server, "Reconciled", "True", "12 of 12 proxies", deadline=2 * DEADLINE)


async def test_a_replica_alone_writes_no_report(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server,
        following(server, tmp_path) as rig,
        proxy(rig.plane.xds_address, "near") as near,
    ):
        server.put_yaml(virtual_service(prefix="/new"))
        await near.hear()
        await until(server, "Reconciled", "True", "1 of 1 proxies")
        assert server.calls.count("create", "configmaps") == 0


async def test_a_right_to_report_that_lacks_is_named(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service(), authorization=True) as server:
        server.put(*readers())
        token = server.tokens.issue(ROOT, "fairlead")
        async with (
            following(server, tmp_path, identity="first", user={"token": token}),
            following(server, tmp_path, identity="second", user={"token": token}) as second,
        ):
            entry = await second.logged("report.failed")
            assert 'resources: ["configmaps"], verbs: [create, patch, delete]' in entry["advice"]


def readers() -> list[dict[str, Any]]:
    """The right to read everything and to hold the Lease, and no other."""
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "update"]},
    ]
    rbac, name = "rbac.authorization.k8s.io", "fairlead"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": ROOT}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        },
    ]
