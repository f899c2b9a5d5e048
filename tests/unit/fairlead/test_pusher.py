"""Views are refreshed and published at once; what gathers meanwhile goes out together; proxies move when ready."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import cycle, groupby
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from fairlead.blame import Blame
from fairlead.ledger import Cause, Push, PushLedger
from fairlead.memory import CollectorPause
from fairlead.metrics import Metrics
from fairlead.pace import Pace
from fairlead.proxies import Proxies
from fairlead.pusher import Pusher
from translator.decode import decode_object
from translator.model.proxy import Proxy, Role
from translator.settings import Settings
from translator.store import Write
from translator.translator import Binding, Translator
from translator.view import View as OwnView
from xds.client import Client
from xds.types import CLUSTER, ENDPOINT, ROUTE
from xds.view import View, ViewChange

SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {0}, namespace: default}}
spec: {{clusterIP: 10.0.0.{1}, selector: {{app: {0}}}, ports: [{{name: http, port: 80}}]}}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec: {host: web, workloadSelector: {matchLabels: {version: v1}}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
"""
WEB = "outbound|80||web.default.svc.cluster.local"


class Recorder:
    """A publisher that remembers."""

    def __init__(self) -> None:
        self.published: list[tuple[View, dict[str, set[str]], object]] = []
        self.losses: list[AbstractSet[str]] = []
        self.observer: Callable[[View], None] | None = None
        self.moved: list[tuple[Client, View]] = []

    def publish(
        self, view: View, change: ViewChange, cause: object = None, losses: AbstractSet[str] = frozenset()
    ) -> None:
        self.losses.append(losses)
        if self.observer is not None:
            asyncio.get_running_loop().call_soon(self.observer, view)
        self.published.append((view, {kind: set(names) for kind, names in change.items()}, cause))

    def move(self, client: Client, view: View, cause: object = None) -> None:
        self.moved.append((client, view))


class Rig:
    """A running pusher."""

    def __init__(self) -> None:
        self.translator = Translator(Settings())
        self.proxies = Proxies()
        self.ledger = PushLedger(Metrics())
        self.recorder = Recorder()
        blame = Blame(self.translator, self.proxies)
        pause = CollectorPause(self.proxies)
        self.pusher = Pusher(self.translator, self.proxies, self.ledger, blame, pause)

    def write(self, *texts: str) -> None:
        writes = []
        for text in texts:
            decoded = decode_object(yaml.safe_load(text))
            assert decoded.key
            writes.append(Write(decoded.key, decoded.object))
        now = perf_counter()
        self.translator.apply(writes)
        self.pusher.push(Cause(tuple(str(write.key) for write in writes), now, now))

    async def connect(
        self, name: str = "client", number: int = 1, labels: dict[str, str] | None = None, namespace: str = "default"
    ) -> Binding:
        proxy = Proxy(
            role=Role.SIDECAR,
            name=name,
            namespace=namespace,
            addresses=(f"10.9.0.{number}",),
            dns_domain="default.svc.cluster.local",
            labels=tuple((labels or {}).items()),
        )
        binding = self.translator.bind(proxy)
        client: Any = SimpleNamespace(id=number)
        self.proxies.add(client, binding)
        await self.pusher.ready(binding)
        return binding


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    task = asyncio.create_task(rig.pusher.run(rig.recorder))
    yield rig
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_connecting_proxy_gets_a_complete_view(rig: Rig) -> None:
    rig.write(SERVICE.format("web", 1))
    binding = await rig.connect()
    assert WEB in binding.view.resources(CLUSTER)
    assert WEB in binding.view.resources(ENDPOINT)
    assert not binding.view.is_stale


async def test_the_second_proxy_of_a_view_waits_for_nothing(rig: Rig) -> None:
    first = await rig.connect("one", 1)
    runs = rig.translator.db.runs["translator.clusters.selection.cluster_references"]
    second = await rig.connect("two", 2)
    assert second.view is first.view
    assert rig.translator.db.runs["translator.clusters.selection.cluster_references"] == runs


SCOPE = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: {0}, namespace: {0}}}
spec: {{egress: [{{hosts: ["{1}/*"]}}]}}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, namespace: default, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints: {0}
"""


async def test_endpoints_that_go_are_published_before_everything_else(rig: Rig) -> None:
    rig.write(
        SERVICE.format("web", 1),
        SLICE.format('[{addresses: ["10.1.0.1"], conditions: {ready: true}}]'),
        SCOPE.format("default", "default"),
        SCOPE.format("other", "other"),
    )
    concerned = await rig.connect("one", 1)
    elsewhere = await rig.connect("two", 2, namespace="other")
    await rig.pusher.idle()
    rig.recorder.published.clear()
    # The View of the second becomes stale first.
    rig.write(SERVICE.format("api", 2).replace("namespace: default", "namespace: other"))
    rig.write(SLICE.format('[{addresses: ["10.1.0.1"], conditions: {ready: false}}]'))
    assert [*rig.translator.stale_views] == [elsewhere.view, concerned.view]
    assert (concerned.view.is_urgent, elsewhere.view.is_urgent) == (True, False)
    await rig.pusher.idle()
    assert [view for view, _, _ in rig.recorder.published] == [concerned.view, elsewhere.view]
    assert not concerned.view.is_urgent


ROUTED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {0}, namespace: default}}
spec: {{hosts: [{0}], http: [{{timeout: {1}s, route: [{{destination: {{host: {0}}}}}]}}]}}
"""


def web_slice(states: str) -> str:
    """An endpoint for each letter, ready if it is a capital one."""
    listed = (
        f'{{addresses: ["10.1.0.{number}"], conditions: {{ready: {str(state.isupper()).lower()}}}}}'
        for number, state in enumerate(states, 1)
    )
    return SLICE.format(f"[{', '.join(listed)}]")


@pytest.fixture
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pusher gives up its turn as often as it can."""
    monkeypatch.setattr("fairlead.pusher.Pace", partial(Pace, 0.0))


@pytest.mark.usefixtures("short_slices")
async def test_a_loss_goes_ahead_of_a_large_change_in_all_views(rig: Rig) -> None:
    rig.write(SERVICE.format("web", 1), web_slice("AB"), SCOPE.format("other", "default"))
    views = {(await rig.connect("one", 1)).view, (await rig.connect("two", 2, namespace="other")).view}
    assert len(views) == 2
    await rig.pusher.idle()
    rig.write(*(ROUTED.format(f"host-{number}", 3) for number in range(100)))
    # The push begins, and does not get far.
    for _ in range(3):
        await asyncio.sleep(0)
    rig.recorder.published.clear()
    rig.recorder.losses.clear()
    rig.write(web_slice("Ab"))
    await rig.pusher.idle()
    first, rest = rig.recorder.published[:2], rig.recorder.published[2:]
    assert {view for view, _, _ in first} == views
    assert all(change == {ENDPOINT: {WEB}} for _, change, _ in first)
    assert all(ENDPOINT not in change and ROUTE in change for _, change, _ in rest)
    assert {view for view, _, _ in rest} == views
    assert rig.recorder.losses == [{WEB}, {WEB}, set(), set()]
    push = next(iter(rig.ledger))
    assert (push.views, push.resources["eds"]) == (2, 2)
    assert len(push.view_names) == 2


@pytest.mark.usefixtures("short_slices")
async def test_what_a_change_takes_away_is_published_in_one_piece(rig: Rig) -> None:
    rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: default}\n"
    rig.write(SERVICE.format("web", 1), web_slice("ABC"), rule + "spec: {host: web, subsets: [{name: a}, {name: b}]}")
    await rig.connect()
    rig.recorder.published.clear()
    rig.write(web_slice("Ab"))
    await rig.pusher.idle()
    ((_, change, _),) = rig.recorder.published
    assert {type_url: len(names) for type_url, names in change.items()} == {ENDPOINT: 3}


async def test_what_is_ready_in_one_slice_is_published_in_one_piece(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is, it is ready in one of these.
    monkeypatch.setattr("fairlead.pusher.Pace", partial(Pace, 60.0))
    rig.write(SERVICE.format("web", 1), web_slice("ABc"))
    await rig.connect()
    rig.recorder.published.clear()
    rig.recorder.losses.clear()
    rig.write(web_slice("AbC"), ROUTED.format("web", 3))
    await rig.pusher.idle()
    ((_, change, _),) = rig.recorder.published
    assert change == {ENDPOINT: {WEB}, ROUTE: {"80"}}
    assert rig.recorder.losses == [{WEB}]


@pytest.mark.usefixtures("short_slices")
async def test_losses_without_end_do_not_keep_other_views_from_their_change(rig: Rig) -> None:
    rig.write(
        SERVICE.format("web", 1),
        web_slice("ABC"),
        SCOPE.format("default", "default"),
        SCOPE.format("other", "other"),
    )
    losing = (await rig.connect("one", 1)).view
    waiting = (await rig.connect("two", 2, namespace="other")).view
    states = cycle(("ABc", "AbC"))
    rig.write(web_slice(next(states)))
    await rig.pusher.idle()
    losses, changed = 0, asyncio.Event()

    def lose_again(view: View) -> None:
        nonlocal losses
        if view is losing:
            losses += 1
            rig.write(web_slice(next(states)))
        elif view is waiting:
            changed.set()

    rig.recorder.observer = lose_again
    lose_again(losing)
    rig.write(SERVICE.format("api", 2).replace("namespace: default", "namespace: other"))
    await asyncio.wait_for(changed.wait(), 10)
    rig.recorder.observer = None
    assert losses > 10
    await rig.pusher.idle()


@pytest.mark.usefixtures("short_slices")
async def test_who_came_first_is_served_first_however_many_slices_that_takes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.write(*(SERVICE.format(f"s{number}", number) for number in range(1, 100)))
    slices: list[OwnView] = []
    refresh = OwnView.refresh

    def note(view: OwnView, is_due: Callable[[], bool]) -> Iterator[None]:
        slices.append(view)
        return refresh(view, is_due)

    monkeypatch.setattr(OwnView, "refresh", note)
    comers = (rig.connect(name, number, namespace=name) for number, name in enumerate(("one", "two", "three"), 1))
    bindings = await asyncio.gather(*comers)
    # Each was ready when it was its turn, not all of them at last.
    assert len(slices) > 100
    assert [view for view, _ in groupby(slices)] == [binding.view for binding in bindings]


async def test_a_change_is_published_with_its_cause(rig: Rig) -> None:
    binding = await rig.connect()
    rig.recorder.published.clear()
    rig.write(SERVICE.format("web", 1))
    await rig.pusher.idle()
    ((view, change, cause),) = rig.recorder.published
    assert view is binding.view
    assert WEB in change[CLUSTER]
    assert isinstance(cause, Push)
    assert cause.objects == ("Service default/web",)
    assert next(iter(rig.ledger)) is cause
    assert cause.views == 1
    assert cause.resources["cds"] >= 1


async def test_what_gathers_goes_out_together(rig: Rig) -> None:
    await rig.connect()
    rig.recorder.published.clear()
    for number in range(1, 20):
        rig.write(SERVICE.format(f"s{number}", number))
    await rig.pusher.idle()
    ((_, change, cause),) = rig.recorder.published
    assert len(change[CLUSTER]) == 19
    assert isinstance(cause, Push)
    assert cause.object_count == 19


async def test_what_changes_nothing_is_not_published(rig: Rig) -> None:
    rig.write(SERVICE.format("web", 1))
    await rig.connect()
    rig.recorder.published.clear()
    rig.write("{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: default}}")
    await rig.pusher.idle()
    assert rig.recorder.published == []


async def test_a_proxy_moves_to_a_view_that_is_ready(rig: Rig) -> None:
    rig.write(SERVICE.format("web", 1))
    binding = await rig.connect(labels={"version": "v1"})
    other = await rig.connect("other", 2)
    assert binding.view is other.view
    rig.write(RULE)
    await rig.pusher.idle()
    ((client, view),) = rig.recorder.moved
    assert client.id == 1
    assert view is binding.view
    assert view is not other.view
    assert view.resources(CLUSTER)[WEB] != other.view.resources(CLUSTER)[WEB]
    assert len(list(rig.translator.views)) == 2


async def test_a_proxy_that_left_does_not_move(rig: Rig) -> None:
    rig.write(SERVICE.format("web", 1))
    binding = await rig.connect(labels={"version": "v1"})
    rig.write(RULE)
    client = rig.proxies.client_of(binding)
    assert client is not None
    rig.proxies.remove(client)
    rig.pusher.leave(binding)
    await rig.pusher.idle()
    assert rig.recorder.moved == []
    assert list(rig.translator.views) == []


async def test_a_proxy_that_leaves_while_it_waits(rig: Rig) -> None:
    rig.write(*(SERVICE.format(f"s{number}", number) for number in range(1, 100)))
    connecting = asyncio.create_task(rig.connect())
    await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    for client, binding in tuple(rig.proxies):
        rig.proxies.remove(client)
        rig.pusher.leave(binding)
    await rig.pusher.idle()
    assert list(rig.translator.views) == []


async def test_what_only_the_last_proxy_needed_is_dropped_while_others_have_their_turn(rig: Rig) -> None:
    rig.write(*(SERVICE.format(f"s{number}", number % 250) for number in range(100)))
    binding = await rig.connect()
    held = len(rig.translator.db)
    client = rig.proxies.client_of(binding)
    assert client is not None
    rig.proxies.remove(client)
    rig.pusher.leave(binding)
    assert len(rig.translator.db) > held / 2
    await rig.pusher.idle()
    rig.translator.db.release_unused()
    assert len(rig.translator.db) == 0


async def test_long_work_lets_others_have_their_turn(rig: Rig) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    rig.write(*(SERVICE.format(f"s{number}", number % 250) for number in range(400)))
    await rig.connect()
    counting.cancel()
    assert turns > 5


async def test_what_cannot_be_built_is_logged_once_with_its_objects(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(SERVICE.format("web", 1))
    binding = await rig.connect()
    node = binding.view.node(CLUSTER, WEB)
    assert node is not None

    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(node.query, "function", fail)
    with capture_logs() as logs:
        rig.write(SERVICE.format("web", 2).replace("port: 80", "port: 80, appProtocol: http2"))
        await rig.pusher.idle()
        rig.write(SERVICE.format("other", 3))
        await rig.pusher.idle()
    failures = [entry for entry in logs if entry["event"] == "resource.failed" and entry["resource"] == WEB]
    assert len(failures) == 1
    assert failures[0]["type"] == "cds"
    assert WEB in binding.view.resources(CLUSTER)
