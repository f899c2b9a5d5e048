"""What the control plane writes into the statuses of the mesh's objects, and which replica does."""

from pathlib import Path
from typing import Any

from envoy.service.discovery.v3 import discovery_pb2

from fairlead.mesh.waiting import NotYetError, wait_until
from tests.apiserver.errors import forbidden
from tests.apiserver.faults import Fault
from tests.apiserver.server import ApiServer
from tests.integration.clusters import ROOT, cluster, endpoints, following, service, virtual_service
from tests.integration.serving import DeltaClient
from xds.types import ROUTE

ISTIO = "networking.istio.io/v1"


def conditions(server: ApiServer, name: str = "cart") -> dict[str, dict[str, Any]]:
    """The conditions of a VirtualService by their types."""
    status = server.read(ISTIO, "VirtualService", name, "shop").get("status", {})
    return {condition["type"]: condition for condition in status.get("conditions", ())}


async def until(server: ApiServer, kind: str, status: str, text: str = "") -> dict[str, Any]:
    """Wait until a condition of the VirtualService has a status, and its reason or message says something."""

    async def probe() -> dict[str, Any]:
        condition = conditions(server).get(kind, {})
        if condition.get("status") != status or text not in f"{condition.get('reason')} {condition.get('message')}":
            raise NotYetError(f"{kind} is {condition}")
        return condition

    return await wait_until(probe)


async def test_a_status_says_who_has_it(tmp_path: Path) -> None:
    async with (
        cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server,
        following(server, tmp_path) as rig,
        DeltaClient(rig.plane.xds_address) as client,
    ):
        await until(server, "Reconciled", "True", "NoProxies")
        await client.introduce()
        await client.until(lambda: bool(client.clusters()))
        await client.subscribe(ROUTE, ["80"])
        await client.until(lambda: bool(client.resources.get(ROUTE)))
        server.put_yaml(virtual_service(prefix="/new"))
        await client.until(lambda: b"/new" in client.resources[ROUTE]["80"].resource.value)
        await until(server, "Reconciled", "True", "1 of 1 proxies")
        assert server.read(ISTIO, "VirtualService", "cart", "shop")["status"]["observedGeneration"] == 2


async def test_a_refusal_is_told_in_the_proxys_words_and_taken_back(tmp_path: Path) -> None:
    def refuse(response: discovery_pb2.DeltaDiscoveryResponse) -> str:
        return "Only one route, please" if any(b"/bad" in each.resource.value for each in response.resources) else ""

    async with (
        cluster(service(), endpoints("127.1.0.1"), virtual_service()) as server,
        following(server, tmp_path) as rig,
        DeltaClient(rig.plane.xds_address) as client,
    ):
        client.refuse = refuse
        await client.introduce()
        await client.until(lambda: bool(client.clusters()))
        await client.subscribe(ROUTE, ["80"])
        await client.until(lambda: bool(client.resources.get(ROUTE)))
        server.put_yaml(virtual_service(prefix="/bad"))
        await client.hear()
        accepted = await until(server, "Accepted", "False", "Only one route, please")
        assert "rejected by 1 proxy: client.default (rds 80)" in accepted["message"]
        await until(server, "Reconciled", "False", "0 of 1 proxies")

        async def told() -> dict[str, Any]:
            events = server.storage.rows(("", "events"), "shop")
            if not events:
                raise NotYetError("no Event")
            (event,) = events
            return event

        event = await wait_until(told)
        assert (event["reason"], event["involvedObject"]["name"]) == ("RejectedByProxy", "cart")
        assert "Only one route, please" in event["message"]
        server.put_yaml(virtual_service(prefix="/good"))
        await client.hear()
        await until(server, "Accepted", "True")
        await until(server, "Reconciled", "True")


async def test_an_invalid_version_is_told_and_so_is_its_mending(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service()) as server, following(server, tmp_path):
        await until(server, "Translated", "True")
        server.put_yaml(virtual_service().replace("host: cart", 'host: ""'))
        await until(server, "Translated", "False", "Invalid")
        status = server.read(ISTIO, "VirtualService", "cart", "shop")["status"]
        assert status["observedGeneration"] == 2
        assert {message["level"] for message in status["validationMessages"]} >= {"ERROR"}
        server.put_yaml(virtual_service(prefix="/mended"))
        await until(server, "Translated", "True")

        async def no_messages() -> None:
            found = server.read(ISTIO, "VirtualService", "cart", "shop")["status"].get("validationMessages")
            if found:
                raise NotYetError(f"{found}")

        await wait_until(no_messages)


async def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service()) as server, following(server, tmp_path) as rig:
        await until(server, "Reconciled", "True")
        server.calls.clear()
        for number in range(20):
            server.put_yaml(endpoints(f"127.1.0.{number + 1}"))

        async def renewed() -> None:
            if server.calls.count("update", "leases") < 3:
                raise NotYetError("the Lease was not renewed three times")

        await wait_until(renewed)
        assert server.calls.count("patch") == 0
        assert rig.plane.ready.is_set()


async def test_a_replica_takes_over_when_the_one_with_the_lease_ends(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service()) as server:
        async with following(server, tmp_path, identity="second", writes_status=False):
            pass
        async with following(server, tmp_path, identity="first") as first:
            await first.logged("lease.held")
            await until(server, "Reconciled", "True")
            async with following(server, tmp_path, identity="second") as second:
                server.put_yaml(virtual_service(prefix="/a"))
                first.plane.stop()
                await second.logged("lease.held", holder="second")
                server.put_yaml(virtual_service(prefix="/b"))

                async def observed() -> None:
                    found = server.read(ISTIO, "VirtualService", "cart", "shop")
                    if found["status"]["observedGeneration"] != found["metadata"]["generation"]:
                        raise NotYetError(f"{found['status']}")

                await wait_until(observed)
        lease = server.read("coordination.k8s.io/v1", "Lease", "fairlead-status", ROOT)
        assert not lease["spec"].get("holderIdentity"), "given up in the end"
        assert lease["spec"]["leaseTransitions"] >= 1


async def test_a_lease_whose_holder_died_runs_out(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service()) as server:
        spec = {"holderIdentity": "dead", "leaseDurationSeconds": 1, "renewTime": "2026-01-01T00:00:00.000000Z"}
        metadata = {"name": "fairlead-status", "namespace": ROOT}
        server.put({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
        async with following(server, tmp_path, identity="heir") as rig:
            await rig.logged("lease.held", holder="heir")
            await until(server, "Reconciled", "True")


async def test_a_right_that_lacks_is_named_once(tmp_path: Path) -> None:
    async with cluster(service(), virtual_service()) as server:
        refused = forbidden("virtualservices", "cart", "no", "networking.istio.io")
        with server.faults.during(Fault(verb="patch", error=refused)):
            async with following(server, tmp_path) as rig:
                entry = await rig.logged("status.refused")
                assert 'resources: ["virtualservices/status"], verbs: [patch]' in entry["advice"]
