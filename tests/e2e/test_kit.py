"""The kit for stand-in meshes, by itself: a real Envoy with a static bootstrap, backends, load."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fairlead.mesh.addresses import Addresses
from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.documents import StandInPort, StandInService
from fairlead.mesh.envoy import EnvoyProcess
from fairlead.mesh.folder import ConfigFolder, parse_documents
from fairlead.mesh.load import LoadGenerator, send_many
from fairlead.mesh.process import ChildProcess, ProcessEndedError
from fairlead.mesh.services import bookinfo, httpbin, tcp_echo
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import DeadlineExceededError, NotYetError, wait_until
from fairlead.mesh.workload import Workload

CLUSTER = "backends"


@pytest.fixture(scope="module")
def addresses() -> Iterator[Addresses]:
    with Addresses() as lease:
        yield lease


@pytest.fixture
def workload_service(addresses: Addresses) -> StandInService:
    return StandInService("httpbin", "default", (StandInPort(8000, 8080),), addresses.cluster_ips()[0])


@pytest.fixture
def folder(tmp_path: Path) -> ConfigFolder:
    return ConfigFolder(tmp_path / "config")


@pytest_asyncio.fixture(loop_scope="session")
async def workload(
    workload_service: StandInService, folder: ConfigFolder, addresses: Addresses
) -> AsyncIterator[Workload]:
    workload = Workload(workload_service, folder, addresses)
    yield workload
    await workload.close()


def static_bootstrap(admin: str, listener: str, backends: list[str]) -> dict[str, Any]:
    """An Envoy that sends every request round-robin to the backends."""

    def socket(address: str) -> dict[str, Any]:
        host, _, port = address.rpartition(":")
        return {"socket_address": {"address": host, "port_value": int(port)}}

    endpoints = [{"endpoint": {"address": socket(backend)}} for backend in backends]
    route = {"match": {"prefix": "/"}, "route": {"cluster": CLUSTER}}
    connection_manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "static",
        "route_config": {"name": "static", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connection_manager}]}
    return {
        "admin": {"address": socket(admin)},
        "static_resources": {
            "listeners": [{"name": "entry", "address": socket(listener), "filter_chains": [chain]}],
            "clusters": [
                {
                    "name": CLUSTER,
                    "type": "STATIC",
                    "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": endpoints}]},
                }
            ],
        },
    }


async def test_envoy_spreads_requests_over_backends_and_tells_its_configuration(
    addresses: Addresses, workload: Workload, tmp_path: Path
) -> None:
    await workload.add("v1", replicas=2)
    ip = addresses.ip()
    bootstrap = tmp_path / "entry.json"
    bootstrap.write_text(json.dumps(static_bootstrap(f"{ip}:15000", f"{ip}:8000", sorted(workload.ready_addresses))))
    async with EnvoyProcess("entry", bootstrap, f"{ip}:15000") as envoy, HttpClient(f"{ip}:8000") as client:
        config = await envoy.wait_config(lambda config: "entry" in config.listeners)
        assert config.http_connection_manager("entry")["stat_prefix"] == "static"
        assert (await envoy.admin.listeners())["entry"] == f"{ip}:8000"
        answer = await client.wait_for(Request("/ip", host="httpbin:8000"), lambda answer: answer.status == 200)
        assert answer.json["host"] == "httpbin:8000"
        traffic = await send_many(lambda: client.get("/headers"), 100)
        assert not traffic.failed, traffic.describe_failures()
        assert traffic.by_instance() == dict.fromkeys(workload.ready_addresses, 50)
        assert (await envoy.admin.stats("^http.static.downstream_rq_total$")) == {
            "http.static.downstream_rq_total": 101
        }
        pid = envoy.pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


async def test_a_configuration_that_does_not_come_is_reported_with_what_was_there(
    addresses: Addresses, tmp_path: Path
) -> None:
    ip = addresses.ip()
    bootstrap = tmp_path / "lonely.json"
    bootstrap.write_text(json.dumps(static_bootstrap(f"{ip}:15000", f"{ip}:8000", [])))
    async with EnvoyProcess("lonely", bootstrap, f"{ip}:15000") as envoy:
        with pytest.raises(DeadlineExceededError, match=r"(?s)listeners \['entry'\].*lonely, log") as raised:
            await envoy.wait_config(lambda config: config.routes["9999"], deadline=0.2)
        assert "no '9999'" in str(raised.value)


async def test_an_envoy_that_cannot_start_is_reported_with_its_log(addresses: Addresses, tmp_path: Path) -> None:
    bootstrap = tmp_path / "broken.json"
    bootstrap.write_text('{"no_such_field": 1}')
    envoy = EnvoyProcess("broken", bootstrap, f"{addresses.ip()}:15000")
    with pytest.raises(ProcessEndedError, match=r"(?s)ended with exit code 1.*no_such_field"):
        async with envoy:
            pass


async def test_load_goes_on_while_backends_fail_and_sees_every_failure(
    addresses: Addresses,
) -> None:
    behaviour = httpbin.Behaviour()
    instance = Instance("httpbin", "v1", addresses.ip(), 8080)
    backend = httpbin.build_backend(instance, behaviour)
    async with HttpClient(instance.address) as client:
        async with LoadGenerator(lambda: client.get("/ip"), rate=200) as load:
            refused = await load.wait_for(lambda answer: answer.failed)
            assert "refused" in refused.error.lower() or "connect" in refused.error.lower()
            async with backend:
                await load.wait_for(lambda answer: answer.version == "v1")
                behaviour.failure_share = 1.0
                await load.wait_for(lambda answer: answer.status == 503)
        assert load.traffic.by_status()[503] == len([a for a in load.traffic.failed if a.status])
        assert set(load.traffic.by_instance()) == {"", instance.address}


async def test_a_reset_on_a_kept_connection_is_a_failure_although_the_library_repeats_the_request(
    addresses: Addresses,
) -> None:
    ip = addresses.ip()

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The library's own repetition comes on a connection that the client closes before the second request.
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await reader.readuntil(b"\r\n\r\n")

    server = await asyncio.start_server(answer_once, ip, 8080)
    async with HttpClient(f"{ip}:8080") as client:
        first, second = await client.get("/"), await client.get("/")
    server.close()
    await server.wait_closed()
    assert not first.failed
    assert second.failed
    assert second.error == "reset on a kept connection"


async def test_tcp_echo_answers_with_its_prefix(addresses: Addresses) -> None:
    instance = Instance("tcp-echo", "v1", addresses.ip(), 9000)
    client = TcpClient(instance.address)
    async with tcp_echo.TcpEcho(instance, "one"):
        answer = await client.send("world")
        assert (answer.version, answer.body) == ("one", b"one world\n")
    assert (await client.send("world")).failed


async def test_bookinfo_page_passes_the_user_on_and_survives_broken_upstreams(addresses: Addresses) -> None:
    hosts = {role: addresses.ip() for role in bookinfo.ROLES}
    upstreams = bookinfo.Upstreams({role: f"{ip}:9080" for role, ip in hosts.items()}, timeout=1)

    def backend(role: str, version: str) -> Any:  # noqa: ANN401
        return bookinfo.build_backend(role, Instance(role, version, hosts[role], 9080), upstreams)

    async with HttpClient(f"{hosts['productpage']}:9080") as client, backend("productpage", "v1"):
        async with backend("reviews", "v3"), backend("details", "v1"):
            page = (await client.get("/productpage", headers={"end-user": "jason"})).json
            assert page["user"] == "jason"
            assert page["details"]["version"] == "v1"
            assert page["reviews"]["reviews"][0]["rating"]["status"] == 503
            async with backend("ratings", "v1"):
                page = (await client.get("/productpage")).json
                assert page["reviews"]["reviews"][0]["rating"] == {"stars": 5, "color": "red"}
        page = (await client.get("/productpage")).json
        assert page["reviews"]["status"] == 503


def test_leases_do_not_overlap() -> None:
    with Addresses() as one, Addresses() as other:
        assert one.ip().rsplit(".", 2)[0] != other.ip().rsplit(".", 2)[0]
        assert len({one.port(), one.port(), other.port(), other.port()}) == 4
    with Addresses() as again:
        assert again.ip().startswith("127.")


async def test_workload_tells_of_its_pods_in_the_folder(folder: ConfigFolder, workload: Workload) -> None:
    def endpoints() -> dict[str, bool]:
        text = (folder.root / "default/endpointslice-httpbin-pods.yaml").read_text()
        (document,) = parse_documents(text)
        return {entry["addresses"][0]: entry["conditions"]["ready"] for entry in document["endpoints"]}

    assert endpoints() == {}
    first, second = await workload.add("v1", replicas=2)
    workload.mark_ready(second, ready=False)
    assert endpoints() == {first.ip: True, second.ip: False}
    assert workload.ready_addresses == {f"{first.ip}:8080"}
    await workload.scale(1)
    assert endpoints() == {second.ip: False}
    assert not (folder.root / f"default/pod-{first.name}.yaml").exists()


async def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from fairlead.mesh.process import ChildProcess\n"
        "async def main():\n"
        "    async with ChildProcess('sleeper', ['/bin/sleep', '600'], Path(sys.argv[1])) as child:\n"
        "        print(child.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(tmp_path / "log"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = int(await parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    await parent.communicate()

    async def child_is_gone() -> None:
        status = Path(f"/proc/{child}/stat")
        if status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
            raise NotYetError(f"process {child} lives")

    await wait_until(child_is_gone)


async def test_a_process_that_ignores_termination_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.mesh.process._GRACE", 0.1)
    stubborn = ChildProcess("stubborn", ["/bin/sh", "-c", "trap '' TERM; echo up; sleep 60"], tmp_path / "log")
    await stubborn.start()

    async def is_up() -> None:
        assert "up" in stubborn.log_tail()

    await wait_until(is_up)
    assert await stubborn.terminate() == -signal.SIGKILL
    assert not stubborn.is_running
