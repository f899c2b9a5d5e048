"""The simulator says what a real Envoy does: generated VirtualServices and requests, the same outcome for each.

A round is many VirtualServices, each for a host of its own, in force with one push; the requests of a round go over
two kept connections, one to a sidecar and one to a gateway.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fairlead.mesh.clients import HttpClient
from fairlead.mesh.clients import Request as Probe
from fairlead.mesh.mesh import GATEWAY_LABELS, GATEWAY_NAMESPACE, LocalMesh
from fairlead.mesh.proxy import Proxy as EnvoyProxy
from tests.simulation.echo import RawClient, Reply, build_echo
from tests.simulation.rules import PORT, RULES, SERVICES, requests
from translator.decode import decode_object, iter_documents
from translator.model.proxy import Capture, Proxy, Role
from translator.settings import Settings
from translator.simulation.outcome import Ending, Outcome
from translator.simulation.simulator import simulate
from translator.simulation.snapshot import Snapshot
from translator.simulation.traffic import Connection, Request
from translator.store import Write
from translator.translator import Binding, Translator
from translator.validation import is_acceptable, validate

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

HOSTS = 16
REQUESTS = 4
SUBSETS = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
FIXED: list[tuple[str, str, dict[str, Any]]] = [
    ("ServiceEntry", "hosts", {
        "hosts": [f"h{number}.example.com" for number in range(HOSTS)] + ["marker.example.com"],
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP"}],
        "resolution": "STATIC",
    }),
    ("Gateway", "edge", {
        "selector": dict(GATEWAY_LABELS),
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    }),
    *(("DestinationRule", name, {"host": name, "subsets": SUBSETS}) for name in SERVICES),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """One way into the mesh: the proxy as the translator knows it, and where its listener is."""

    binding: Binding
    envoy: EnvoyProxy
    port: int

    @property
    def connection(self) -> Connection:
        """What a client opens."""
        return Connection(address=self.envoy.ip, port=self.envoy.ports.get(self.port, self.port))


class Stage:
    """A mesh with four services, a sidecar and a gateway; and a translator that is told the same as the mesh."""

    def __init__(self, mesh: LocalMesh, ways: list[Way], translator: Translator) -> None:
        self.mesh = mesh
        self.ways = ways
        self._translator = translator
        self._numbers = count()

    async def put_in_force(self, specs: list[list[dict[str, Any]]]) -> None:
        """Write the rules, one VirtualService for each host, and wait until both proxies have them all."""
        number = f"round {next(self._numbers)}"
        marker = [{"directResponse": {"status": 200, "body": {"string": number}}}]
        documents = [
            virtual_service(name, http)
            for name, http in [*((f"h{at}", http) for at, http in enumerate(specs)), ("marker", marker)]
        ]
        self._translator.apply([write for document in documents if (write := write_of(document))])
        self.mesh.folder.write_text("rules.yaml", yaml.safe_dump_all(documents))
        for way in self.ways:
            async with HttpClient(way.envoy.address(way.port)) as client:
                probe = Probe("/", "marker.example.com")
                await client.wait_for(probe, lambda answer: answer.body == number.encode(), context=self.mesh.describe)

    def snapshots(self) -> Iterator[tuple[Way, Snapshot]]:
        """Each way with the resources that its proxy has."""
        for way in self.ways:
            for _ in way.binding.view.refresh():
                pass
            way.binding.view.commit()
            yield way, Snapshot(way.binding.view)


def virtual_service(name: str, http: list[dict[str, Any]]) -> dict[str, Any]:
    spec = {"hosts": [f"{name}.example.com"], "gateways": ["mesh", "edge"], "http": http}
    return networking("VirtualService", name, spec)


def networking(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "creationTimestamp": "2024-01-01T00:00:00Z"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def write_of(document: dict[str, Any]) -> Write | None:
    """The object, if a control plane would take it."""
    decoded = decode_object(document)
    if decoded.key is None or decoded.object is None or not is_acceptable(validate(decoded.object)):
        return None
    return Write(decoded.key, decoded.object)


def is_valid(http: list[dict[str, Any]]) -> bool:
    return write_of(virtual_service("any", http)) is not None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with LocalMesh(tmp_path_factory.mktemp("mesh")) as mesh:
        for name in (*SERVICES, "delta"):
            await mesh.workload(name, build_server=build_echo).add("v1")
        mesh.folder.apply(*(networking(*each) for each in FIXED))
        sidecar = await mesh.start_client()
        gateway = await mesh.start_gateway({80: mesh.addresses.port()})
        translator = Translator(Settings())
        texts = [path.read_text() for path in sorted(mesh.folder.root.rglob("*.yaml"))]
        items: list[Any] = [
            item for text in texts for each in yaml.safe_load_all(text) for item in iter_documents(each)
        ]
        translator.apply([write for item in items if (write := write_of(item))])
        client = Proxy(
            role=Role.SIDECAR,
            name="sleep",
            namespace="default",
            addresses=(sidecar.ip,),
            labels=(("app", "sleep"),),
            dns_domain="default.svc.cluster.local",
            capture=Capture.NONE,
        )
        edge = msgspec.structs.replace(
            client,
            role=Role.GATEWAY,
            name="istio-ingressgateway-1",
            namespace=GATEWAY_NAMESPACE,
            addresses=(gateway.ip,),
            labels=tuple(sorted(GATEWAY_LABELS.items())),
        )
        ways = [Way(translator.bind(client), sidecar, PORT), Way(translator.bind(edge), gateway, 80)]
        yield Stage(mesh, ways, translator)


BATCH = st.lists(RULES.filter(is_valid), min_size=HOSTS, max_size=HOSTS)
SENT = st.tuples(
    *(st.lists(requests(f"h{number}.example.com"), min_size=REQUESTS, max_size=REQUESTS) for number in range(HOSTS))
)


# A round costs a push and 128 requests; shrinking it would take hours, and the message names the request anyway.
@settings(
    max_examples=max(5, settings().max_examples // 100),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(BATCH, SENT)
async def test_the_outcome_is_that_of_a_real_envoy(
    stage: Stage, batch: list[list[dict[str, Any]]], sent: tuple[list[Request], ...]
) -> None:
    await stage.put_in_force(batch)
    differences = []
    for way, snapshot in stage.snapshots():
        async with RawClient(way.envoy.address(way.port)) as client:
            for number, requests_of_host in enumerate(sent):
                for request in requests_of_host:
                    reply = await client.send(request.method, request.path, [("host", request.host), *request.headers])
                    outcomes = simulate(snapshot, way.connection, request)
                    if all(disagreement(each, reply) for each in outcomes):
                        differences.append(explain(request, batch[number], outcomes, reply))
    assert not differences, "\n".join([f"{len(differences)} differences", *differences[:5]])


def disagreement(outcome: Outcome, reply: Reply) -> str:
    """In what a reply is not as it was foretold; empty if it is."""
    echoed = reply.echoed
    if outcome.ending is Ending.ANSWERED:
        found: tuple[object, ...] = (echoed, reply.status, reply.headers.get("location", ""))
        wanted: tuple[object, ...] = (None, outcome.status, outcome.location)
        if outcome.body:
            found, wanted = (*found, reply.body), (*wanted, outcome.body)
        return "" if found == wanted else f"{found} instead of {wanted}"
    upstream = outcome.upstream
    if outcome.ending is not Ending.FORWARDED or upstream is None or echoed is None:
        return f"{outcome.ending}, but {reply.status} {echoed}"
    arrived = [tuple(each) for each in echoed["headers"] if each[0].startswith("x-") and each[0] in OURS]
    found = (echoed["service"], echoed["host"], echoed["path"], sorted(arrived))
    service = upstream.cluster.split("|")[3].partition(".")[0]
    wanted = (service, upstream.host, upstream.path, sorted(each for each in upstream.headers if each[0] in OURS))
    return "" if found == wanted else f"{found} instead of {wanted}"


OURS = frozenset({"x-a", "x-b", "x-c", "x-set", "x-add"})


def explain(request: Request, rules: list[dict[str, Any]], outcomes: tuple[Outcome, ...], reply: Reply) -> str:
    """All that is needed to understand a difference."""
    lines = ["", f"{request.method} {request.host} {request.path} {request.headers}"]
    for outcome in outcomes:
        lines.append(f"- {outcome.ending} in {outcome.share:.0%}: {disagreement(outcome, reply)}")
        lines.extend(f"    {step.what}: {step.found} {step.reason}" for step in outcome.steps)
    return "\n".join([*lines, json.dumps(rules)])
