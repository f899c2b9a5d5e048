"""DNS questions of intercepted pods: the sidecar answers what the mesh knows, the pod's server everything else."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from fairlead.mesh.clients import TcpClient
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.outside import DnsServer
from tests.netns.applications import serve_lines
from translator.model.proxy import Capture, IpFamilies

A, AAAA, TXT = 1, 28, 16
NO_ERROR, NO_SUCH_NAME = 0, 3
EXTERNAL: Final = "external.example.org"
ENTRIES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: database}
spec:
  hosts: [database.example.com]
  ports: [{number: 9400, name: tcp, protocol: TCP, targetPort: 9000}]
  resolution: STATIC
  endpoints: [{address: "ENDPOINT"}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild}
spec:
  hosts: ["*.wild.example.com"]
  addresses: [240.0.0.9]
  ports: [{number: 9400, name: tcp, protocol: TCP}]
  resolution: NONE
"""


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=[(Capture.REDIRECT, IpFamilies.V4), (Capture.TPROXY, IpFamilies.DUAL), (Capture.REDIRECT, IpFamilies.V6)],
    ids=["v4-redirect", "dual-tproxy", "v6-redirect"],
)
async def mesh(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NamespaceMesh]:
    capture, families = request.param
    workdir = tmp_path_factory.mktemp("mesh")
    async with NamespaceMesh(workdir, capture=capture, families=families, answers_dns=True) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(mesh: NamespaceMesh) -> AsyncIterator[DnsServer]:
    """The server that the pods would ask without interception."""
    outside = mesh.network.outside
    family = socket.AF_INET6 if ":" in outside.ip else socket.AF_INET
    bound = outside.open_socket(family, socket.SOCK_DGRAM)
    bound.bind((outside.ip, 53))
    async with DnsServer(outside.ip, {EXTERNAL: ("192.0.2.9",)}, bound=bound) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(mesh: NamespaceMesh) -> Workload:
    workload = mesh.workload("lines", ports=(StandInPort(9000, 9000, "tcp"),), build_server=serve_lines)
    (pod,) = await workload.add()
    mesh.folder.apply_yaml(ENTRIES.replace("ENDPOINT", pod.ip), "default")
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pod(mesh: NamespaceMesh, server: DnsServer, lines: Workload) -> NetworkNamespace:
    """The namespace of a client whose sidecar answers."""
    sleep = await mesh.start_client()
    assert sleep.clients is not None
    namespace = sleep.clients

    async def answered() -> None:
        code, _ = await ask(namespace, server.host, "database.example.com", AAAA if ":" in server.host else A)
        if code:
            raise NotYetError(f"rcode {code}")

    await wait_until(answered, context=mesh.describe)
    return namespace


async def ask(namespace: NetworkNamespace, host: str, name: str, kind: int) -> tuple[int, tuple[str, ...]]:
    """A question to the server that a pod knows: the code of the answer, and its addresses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with namespace.open_socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((host, 53))
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        asking.send(struct.pack("!6H", 77, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!x2H", kind, 1))
        loop = asyncio.get_running_loop()
        answer = await asyncio.wait_for(loop.sock_recv(asking, 2048), 5)
    number, flags, _, count = struct.unpack("!4H", answer[:8])
    assert number == 77
    # Records follow the question, each with the name it is about: two bytes, or spelled out again.
    rest, addresses = answer[12 + len(labels) + 5 :], []
    for _ in range(count):
        rest = rest[2 if rest[0] & 0xC0 else len(labels) + 1 :]
        length = struct.unpack("!H", rest[8:10])[0]
        addresses.append(socket.inet_ntop(socket.AF_INET if length == 4 else socket.AF_INET6, rest[10 : 10 + length]))
        rest = rest[10 + length :]
    return flags & 15, tuple(addresses)


async def look_up(namespace: NetworkNamespace, name: str) -> set[str]:
    """The addresses that the system's own resolver finds for a program in a pod."""
    child = await asyncio.create_subprocess_exec(
        *namespace.command(("getent", "ahosts", name)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    return {line.split()[0] for line in output.decode().splitlines()}


def of_pod(pod: NetworkNamespace, *addresses: str) -> set[str]:
    """Those of the versions of IP that a pod has."""
    versions = {":" in ip for ip in pod.ips}
    return {address for address in addresses if (":" in address) in versions}


async def test_a_service_by_its_short_and_its_full_name(pod: NetworkNamespace, lines: Workload) -> None:
    virtual = {lines.service.cluster_ip, *lines.service.other_cluster_ips}
    for name in ("lines", "lines.default", lines.service.host):
        assert await look_up(pod, name) == virtual


async def test_a_service_without_an_address_gets_one_that_leads_there(
    mesh: NamespaceMesh, pod: NetworkNamespace
) -> None:
    found = await look_up(pod, "database.example.com")
    assert len(found) == len(pod.ips)
    for ip in found:
        assert ip.startswith("2001:2:" if ":" in ip else "240.240.")
        address = f"[{ip}]:9400" if ":" in ip else f"{ip}:9400"
        answer = await TcpClient(address, pod).send("hello")
        assert answer.body.endswith(b" hello\n"), (answer, mesh.describe())


async def test_what_the_mesh_does_not_know_is_asked_of_the_server(pod: NetworkNamespace, server: DnsServer) -> None:
    assert await ask(pod, server.host, EXTERNAL, A) == (NO_ERROR, ("192.0.2.9",))
    assert EXTERNAL in server.asked
    assert await ask(pod, server.host, "nowhere.example.org", A) == (NO_SUCH_NAME, ())
    assert "nowhere.example.org" in server.asked


async def test_what_the_mesh_knows_is_asked_of_nobody_else(
    pod: NetworkNamespace, server: DnsServer, lines: Workload
) -> None:
    kind = AAAA if ":" in lines.service.cluster_ip else A
    assert await ask(pod, server.host, lines.service.host, kind) == (NO_ERROR, (lines.service.cluster_ip,))
    assert lines.service.host not in server.asked


async def test_every_name_below_a_suffix(pod: NetworkNamespace, server: DnsServer) -> None:
    wanted = (NO_ERROR, ("240.0.0.9",)) if of_pod(pod, "240.0.0.9") else (NO_SUCH_NAME, ())
    assert await ask(pod, server.host, "a.wild.example.com", A) == wanted


async def test_questions_over_tcp_go_on_to_the_server(
    mesh: NamespaceMesh, pod: NetworkNamespace, server: DnsServer
) -> None:
    outside = mesh.network.outside
    async with serve_lines(Instance("dns", "v1", outside.ip, 53, outside.listen(outside.ip, 53))):
        host = f"[{server.host}]" if ":" in server.host else server.host
        answer = await TcpClient(f"{host}:53", pod).send("question")
    assert answer.body.endswith(b" question\n")


async def test_a_new_service_is_known_at_once_and_a_removed_one_no_more(
    mesh: NamespaceMesh, pod: NetworkNamespace, server: DnsServer, sidecar: Proxy
) -> None:
    fresh = mesh.workload("fresh", ports=(StandInPort(9000, 9000, "tcp"),), build_server=serve_lines)
    await sidecar.wait_config(lambda config: f"{fresh.service.cluster_ip}_9000" in config.listeners)

    async def known() -> None:
        if await look_up(pod, "fresh") != {fresh.service.cluster_ip, *fresh.service.other_cluster_ips}:
            raise NotYetError("unknown yet")

    await wait_until(known, context=mesh.describe)


@pytest.fixture
def sidecar(mesh: NamespaceMesh, pod: NetworkNamespace) -> Proxy:
    """The sidecar of the client."""
    return next(proxy for proxy in mesh.proxies if proxy.clients is pod)


async def test_other_kinds_of_records_are_refused(pod: NetworkNamespace, server: DnsServer) -> None:
    code, addresses = await ask(pod, server.host, EXTERNAL, TXT)
    assert code not in (NO_ERROR, NO_SUCH_NAME)
    assert not addresses
