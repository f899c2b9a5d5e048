"""An informer against an API server that fails in every way there is: no gap, nothing told twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.sources.kubernetes.access import KubeconfigAccess
from fairlead.sources.kubernetes.backoff import Backoff
from fairlead.sources.kubernetes.connection import ApiConnection
from fairlead.sources.kubernetes.informer import Informer, Timing
from fairlead.sources.kubernetes.reflector import Change
from fairlead.sources.kubernetes.served import Collection
from fairlead.sources.kubernetes.wire import read_item
from tests.apiserver.certificates import Authority, ServerTls
from tests.apiserver.errors import ApiError, compacted, internal, too_many_requests, unauthorized
from tests.apiserver.faults import Fault
from tests.apiserver.server import ApiServer
from tests.apiserver.watching import End
from translator.objects.registry import Kind

PODS = Collection(Kind.POD, "", "v1", "pods")
QUICK = Timing(shortest=0.4, longest=0.6, margin=0.3, backoff=lambda: Backoff(first=0.01, longest=0.05))
LONG = Timing(backoff=lambda: Backoff(first=0.01, longest=0.05))


class Recorder:
    """Keeps what it is told: the version of every pod, and how often each version was told."""

    def __init__(self) -> None:
        self.pods: dict[str, str] = {}
        self.told: Counter[tuple[str, str]] = Counter()

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:
        for change in changes:
            name = change.identity[1]
            if change.raw is None:
                del self.pods[name]
            else:
                self.pods[name] = read_item(change.raw).resource_version
                self.told[name, self.pods[name]] += 1


class Following:
    """An informer for pods, and its server."""

    def __init__(self, server: ApiServer, informer: Informer, recorder: Recorder) -> None:
        self.server = server
        self.informer = informer
        self.recorder = recorder
        self._count = 0

    def pod(self, name: str) -> str:
        """Write a pod; returns its version."""
        self._count += 1
        metadata = {"name": name, "namespace": "shop", "labels": {"count": str(self._count)}}
        (stored,) = self.server.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}})
        version: str = stored["metadata"]["resourceVersion"]
        return version

    def expected(self) -> dict[str, str]:
        """The pods of the server."""
        rows = self.server.storage.rows(("", "pods"))
        return {row["metadata"]["name"]: row["metadata"]["resourceVersion"] for row in rows}

    async def agrees(self) -> None:
        """Wait until everything is told; nothing may have been told twice."""

        async def probe() -> None:
            if self.recorder.pods != self.expected():
                raise NotYetError(f"{self.recorder.pods} is not {self.expected()}; {self.informer.fault}")

        await wait_until(probe)
        assert {told: count for told, count in self.recorder.told.items() if count > 1} == {}


@asynccontextmanager
async def following(server: ApiServer, tmp_path: Path, timing: Timing = LONG) -> AsyncIterator[Following]:
    path = server.write_kubeconfig(tmp_path / "config")
    connection, recorder = ApiConnection(KubeconfigAccess(path=str(path))), Recorder()
    informer = Informer(connection, PODS, recorder, timing=timing)
    task = asyncio.create_task(informer.run())
    try:
        yield Following(server, informer, recorder)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await connection.close()


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as server:
        yield server


async def test_it_lists_and_follows(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        mesh.pod("b")
        mesh.pod("a")
        server.remove("v1", "Pod", "b", "shop")
        await mesh.agrees()
        assert server.calls.count("list", "pods") == 0, "the server streams its lists"


async def test_pages_are_asked_for_where_lists_are_not_streamed(server: ApiServer, tmp_path: Path) -> None:
    server.set_streaming_lists(enabled=False)
    async with following(server, tmp_path) as mesh:
        for number in range(250):
            mesh.pod(f"pod-{number}")
        await mesh.agrees()
        assert server.calls.count("list", "pods") > 1
        mesh.pod("one-more")
        await mesh.agrees()


async def test_a_version_that_is_gone_leads_to_the_differences(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        mesh.pod("b")
        await mesh.agrees()
        with server.faults.during(Fault(verb="watch", resource="pods", error=internal("not now"))):
            server.end_watches(End.DROP)
            server.remove("v1", "Pod", "a", "shop")
            mesh.pod("c")
            server.compact()
        await mesh.agrees()


async def test_a_watch_that_is_told_410_lists_again(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        server.fail_watches(compacted(1, 2))
        mesh.pod("b")
        await mesh.agrees()


@pytest.mark.parametrize("how", [End.CLOSE, End.DROP])
async def test_a_watch_that_ends_is_continued(server: ApiServer, tmp_path: Path, how: End) -> None:
    async with following(server, tmp_path) as mesh:
        for number in range(10):
            mesh.pod(f"pod-{number}")
            await mesh.agrees()
            assert server.end_watches(how) == 1
            mesh.pod(f"late-{number}")
        await mesh.agrees()


async def test_a_server_that_falls_silent_is_left(server: ApiServer, tmp_path: Path) -> None:
    """The machine answers, the process does not: only the end of the watch, which does not come, tells."""
    async with following(server, tmp_path, QUICK) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        server.end_watches(End.FREEZE)
        mesh.pod("b")
        await mesh.agrees()


async def test_a_server_that_restarts_is_found_again(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        await server.kill()
        mesh.pod("b")

        async def noticed() -> None:
            if mesh.informer.fault is None:
                raise NotYetError("the informer thinks that all is well")

        await wait_until(noticed)
        assert set(mesh.recorder.pods) == {"a"}, "what is known stays"
        await server.start()
        await mesh.agrees()
        assert mesh.informer.fault is None


async def test_the_servers_wish_to_be_left_alone_is_respected(server: ApiServer, tmp_path: Path) -> None:
    fault = server.faults.add(Fault(resource="pods", times=1, error=too_many_requests(1)))
    started = asyncio.get_running_loop().time()
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        assert fault.met == 1
        assert asyncio.get_running_loop().time() - started >= 1.0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(resource="pods", times=3, error=internal("etcdserver: leader changed")),
        Fault(resource="pods", times=3, drop=True),
        Fault(resource="pods", times=2, error=unauthorized()),
        Fault(resource="pods", times=1, error=ApiError(503, "ServiceUnavailable", "starting")),
    ],
    ids=["500", "dropped", "401", "503"],
)
async def test_the_first_list_is_asked_for_until_it_comes(server: ApiServer, tmp_path: Path, fault: Fault) -> None:
    server.faults.add(fault)
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()


async def test_a_watch_that_answers_garbage_is_given_up(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        server.fail_watches(internal("\N{SNOWMAN}" * 10))
        mesh.pod("b")
        await mesh.agrees()


async def test_bookmarks_save_a_list(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path, QUICK) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "elsewhere"}})
        server.send_bookmarks()
        server.calls.clear()

        async def watched_again() -> None:
            if server.calls.count("watch", "pods") < 2:
                raise NotYetError("no second watch")

        await wait_until(watched_again)
        mesh.pod("b")
        await mesh.agrees()
        assert server.calls.count("list", "pods") == 0


async def test_a_server_whose_certificate_is_replaced_is_followed_on(tmp_path: Path) -> None:
    async with ApiServer(tls=ServerTls("127.0.0.1", tmp_path)) as server, following(server, tmp_path) as mesh:
        mesh.pod("a")
        await mesh.agrees()
        assert server.tls is not None
        server.tls.rotate(Authority("another"))
        server.drop_connections()
        mesh.pod("b")

        async def refused() -> None:
            if "certificate" not in str(mesh.informer.fault).lower():
                raise NotYetError(f"{mesh.informer.fault}")

        await wait_until(refused)
        assert set(mesh.recorder.pods) == {"a"}, "nobody is believed whose certificate is of a stranger"
        server.write_kubeconfig(tmp_path / "config")
        await mesh.agrees()


async def test_random_drops_lose_nothing(server: ApiServer, tmp_path: Path) -> None:
    async with following(server, tmp_path, QUICK) as mesh:
        for number in range(60):
            mesh.pod(f"pod-{number % 7}")
            faults: list[Callable[[], object]] = [
                server.drop_connections,
                lambda: server.end_watches(End.CLOSE),
                server.compact,
            ]
            if number % 2 == 0:
                faults[number // 2 % 3]()
            await asyncio.sleep(0)
        await mesh.agrees()
