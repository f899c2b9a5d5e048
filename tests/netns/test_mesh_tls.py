"""Mutual TLS between pods whose control plane gives them certificates, as they prove who they are by tokens."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fairlead.ca.folder import open_authority
from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort, StandInService, endpoint_slice_document, service_document
from fairlead.mesh.identities import MeshIdentities
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.held_connection import HeldConnection
from tests.listener_updates import ListenerUpdates, listener_updates
from tests.netns.applications import GREETING, serve_lines
from tests.netns.test_protocols import exchange

SECURED = {"security.istio.io/tlsMode": "istio"}
HOST = "httpbin:8000"
HEADERS = Request("/headers", HOST)
IDENTITY = "spiffe://cluster.local/ns/default/sa/default"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NamespaceMesh]:
    """Certificates are renewed every few seconds, under every test."""
    folder = tmp_path_factory.mktemp("mesh")
    async with NamespaceMesh(folder, identities=MeshIdentities(folder / "identities", lifetime="14s")) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def httpbin(mesh: NamespaceMesh) -> Workload:
    workload = mesh.workload("httpbin", ports=(StandInPort(8000, 8080), StandInPort(9000, 9090, "tcp")))
    await workload.add("v1", labels=SECURED)
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain(mesh: NamespaceMesh) -> Workload:
    """Its pods have sidecars too, and do not say that these speak mutual TLS."""
    workload = mesh.workload("plain")
    await workload.add("v1")
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh, httpbin: Workload) -> Proxy:
    return await mesh.start_client("sleep")


@pytest_asyncio.fixture(loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    """The application beside the sidecar."""
    async with HttpClient(sleep.address(8000), sleep.clients) as client:
        await client.wait_ok(HEADERS)
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(mesh: NamespaceMesh, httpbin: Workload) -> AsyncIterator[HttpClient]:
    """Somebody without sidecar, who calls the pod itself."""
    (pod, *_) = httpbin.pods
    async with HttpClient(httpbin.address(pod), mesh.network.outside, keep_alive=False) as client:
        yield client


@contextmanager
def applied(mesh: NamespaceMesh, *documents: dict[str, Any]) -> Iterator[None]:
    """Have objects in the folder for a while."""
    mesh.folder.apply(*documents)
    try:
        yield
    finally:
        mesh.folder.delete(*documents)


def peers(mode: str, **spec: object) -> dict[str, Any]:
    """A PeerAuthentication of the namespace, or of some workloads in it."""
    metadata = {"name": "selecting" if spec else "all", "namespace": "default"}
    document = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata}
    return {**document, "spec": {"mtls": {"mode": mode}, **spec}}


def rule(**tls: object) -> dict[str, Any]:
    """A DestinationRule about TLS to httpbin."""
    metadata = {"name": "httpbin", "namespace": "default"}
    document = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata}
    return {**document, "spec": {"host": "httpbin", "trafficPolicy": {"tls": tls}}}


async def wait_peer(client: HttpClient, expected: str) -> None:
    """Wait until the application is told this identity of its caller, empty for none."""

    async def probe() -> None:
        answer = await client.send(HEADERS)
        if answer.status != 200 or caller(answer.json) != expected:
            raise NotYetError(str(answer))

    await wait_until(probe)


def caller(content: dict[str, Any]) -> str:
    """The identity in what the server's proxy says of its client."""
    headers = {name.lower(): value for name, value in content["headers"].items()}
    said = headers.get("x-forwarded-client-cert", "")
    return next((part.removeprefix("URI=") for part in said.split(";") if part.startswith("URI=")), "")


async def wait_refused(client: HttpClient) -> None:
    async def probe() -> None:
        answer = await client.get("/headers")
        if not answer.error:
            raise NotYetError(str(answer))

    await wait_until(probe)


async def serials(proxy: Proxy) -> set[str]:
    """The serial numbers of the proxy's own certificates that are in use."""
    return {
        chain["serial_number"]
        for each in await proxy.admin.certificates()
        for chain in each.get("cert_chain", ())
        if any(name.get("uri") == IDENTITY for name in chain.get("subject_alt_names", ()))
    }


async def test_case_27_sidecars_speak_mutual_tls_and_others_plain_text(
    mesh: NamespaceMesh, client: HttpClient, stranger: HttpClient
) -> None:
    await wait_peer(client, IDENTITY)
    answer = await stranger.get("/headers")
    assert answer.status == 200, mesh.describe()
    assert caller(answer.json) == ""


async def test_case_27_pods_that_say_nothing_of_mutual_tls_are_called_in_plain_text(
    plain: Workload, client: HttpClient
) -> None:
    async def probe() -> None:
        answer = await client.get("/headers", "plain:8000")
        if answer.status != 200:
            raise NotYetError(str(answer))
        assert caller(answer.json) == ""

    await wait_until(probe)


async def test_case_14_strict_refuses_those_without_certificate(
    mesh: NamespaceMesh, client: HttpClient, stranger: HttpClient
) -> None:
    with applied(mesh, peers("STRICT")):
        await wait_refused(stranger)
        await wait_peer(client, IDENTITY)
    await stranger.wait_ok(Request("/headers"))


async def test_with_strict_tls_any_port_comes_without_an_end_to_connections(
    mesh: NamespaceMesh, httpbin: Workload, sleep: Proxy, client: HttpClient, stranger: HttpClient
) -> None:
    """Every client begins with TLS then, so that servers may speak first, and no list says at which ports they do."""
    caller, (pod, *_) = sleep.clients, httpbin.pods
    assert caller is not None
    sidecar = next(proxy for proxy in mesh.proxies if proxy.ip == pod.ip)
    with applied(mesh, peers("STRICT")):
        await wait_refused(stranger)
        async with HeldConnection(f"{httpbin.service.cluster_ip}:9000", caller) as held:
            await held.request(HOST)
            before = await listener_updates(sidecar)
            port = StandInPort(3306, 3306, "mysql")
            service = StandInService("database", "default", (port,), mesh.network.cluster_ips()[0])
            document = service_document(service)
            document["spec"]["selector"] = httpbin.service.selector
            mesh.folder.apply(document, endpoint_slice_document(service, [pod]))
            await sidecar.wait_config(lambda config: "inbound|3306||" in str(config.listeners["virtualInbound"]))
            listening = mesh.network.namespace(pod.ip).listen(pod.ip, 3306)
            async with serve_lines(Instance("database", "v1", pod.ip, 3306, listening), greeting=GREETING):

                async def served() -> None:
                    try:
                        await exchange(caller, service.cluster_ip, 3306, greeting=GREETING)
                    except OSError as error:
                        raise NotYetError(str(error)) from error

                await wait_until(served, context=mesh.describe)
            await held.request(HOST)
            assert await listener_updates(sidecar) - before == ListenerUpdates(in_place=1, added=1)


async def test_case_17_an_exception_for_a_port_lets_them_in(
    mesh: NamespaceMesh, client: HttpClient, stranger: HttpClient
) -> None:
    exception = peers("STRICT", selector={"matchLabels": {"app": "httpbin"}}, portLevelMtls={8080: {"mode": "DISABLE"}})
    with applied(mesh, peers("STRICT")):
        await wait_refused(stranger)
        with applied(mesh, exception):
            await stranger.wait_ok(Request("/headers"))
    await wait_peer(client, IDENTITY)


async def test_case_28_rules_decide_what_clients_speak(mesh: NamespaceMesh, client: HttpClient) -> None:
    with applied(mesh, rule(mode="DISABLE")):
        await wait_peer(client, "")
    await wait_peer(client, IDENTITY)
    with applied(mesh, rule(mode="ISTIO_MUTUAL", sni="any.example.com")):
        await wait_peer(client, IDENTITY)


async def test_a_server_with_another_identity_is_refused(mesh: NamespaceMesh, sleep: Proxy, client: HttpClient) -> None:
    other = "spiffe://cluster.local/ns/default/sa/other"
    with applied(mesh, rule(mode="ISTIO_MUTUAL", subjectAltNames=[other])):

        async def probe() -> None:
            answer = await client.send(HEADERS)
            if answer.status != 503:
                raise NotYetError(str(answer))
            refused = await sleep.admin.stats("httpbin.*ssl.fail_verify_san")
            assert sum(refused.values()) > 0, refused

        await wait_until(probe)
    await wait_peer(client, IDENTITY)


async def test_policies_change_under_load_without_a_failed_request(mesh: NamespaceMesh, client: HttpClient) -> None:
    async with LoadGenerator(lambda: client.send(HEADERS), rate=100) as load:
        for mode in ("STRICT", "PERMISSIVE", "STRICT"):
            mesh.folder.apply(peers(mode))
            await wait_peer(client, IDENTITY)
            await load.wait_count(50)
        mesh.folder.delete(peers("STRICT"))
        await load.wait_count(50)
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_it_is_switched_off_and_on_under_load_without_a_failed_request(
    mesh: NamespaceMesh, client: HttpClient, stranger: HttpClient
) -> None:
    """Clients first stop to speak it by a rule: nobody then notices when servers do not understand it any more."""
    async with LoadGenerator(lambda: client.send(HEADERS), rate=100) as load:
        with applied(mesh, rule(mode="DISABLE")):
            await wait_peer(client, "")
            with applied(mesh, peers("DISABLE")):
                await load.wait_count(50)
                await stranger.wait_ok(Request("/headers"))
            await load.wait_count(50)
        await wait_peer(client, IDENTITY)
        await load.wait_count(50)
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_case_62_certificates_are_renewed_under_load_without_a_failed_request(
    sleep: Proxy, client: HttpClient
) -> None:
    await wait_peer(client, IDENTITY)
    before = await serials(sleep)
    assert before
    async with LoadGenerator(lambda: client.send(HEADERS), rate=50) as load:

        async def probe() -> None:
            if not before.isdisjoint(now := await serials(sleep)) or not now:
                raise NotYetError(f"{before}, now {now}")

        await wait_until(probe, deadline=20)
        await load.wait_count(50)
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_case_63_another_authority_takes_over_under_load_without_a_failed_request(
    mesh: NamespaceMesh, httpbin: Workload, sleep: Proxy, client: HttpClient, tmp_path: Path
) -> None:
    assert mesh.identities is not None
    await wait_peer(client, IDENTITY)
    open_authority(tmp_path / "next", "the next one")
    async with LoadGenerator(lambda: client.send(HEADERS), rate=50) as load:
        for name in ("ca-key.pem", "ca-cert.pem", "root-cert.pem"):
            shutil.copy(tmp_path / "next" / name, mesh.identities.ca_dir / name)
        await mesh.control_plane.wait_record(event="ca.changed", deadline=30)
        await load.wait_count(50)
    assert not load.traffic.failed, load.traffic.describe_failures()
    assert not [each for each in mesh.control_plane.records() if each["event"] == "ca.unanswered"]
    # Only the new root is trusted in the end.
    for each in await sleep.admin.certificates():
        assert len(each.get("ca_cert", ())) <= 1


async def test_case_68_no_key_and_no_token_gets_into_the_log(mesh: NamespaceMesh) -> None:
    text = mesh.control_plane.log.read_text()
    assert "PRIVATE KEY" not in text
    assert "eyJ" not in text
