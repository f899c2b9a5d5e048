"""Whatever the order in which objects arrive, and however many there are: same result, same cost."""

import itertools
from collections.abc import Iterator, Sequence
from enum import Enum, auto

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.translator.mesh_kit import (
    GATEWAY,
    IDENTIFIED,
    SIDECAR,
    Mesh,
    endpoint,
    endpoint_slice,
    entry,
    peers,
    pod,
    rule,
    service,
    writes,
)
from translator.model.workload import pod_key
from translator.objects import core
from translator.objects.meta import MeshObject
from translator.objects.registry import PRIMARY, Kind, ObjectKey
from translator.store import Write

NODE = """
apiVersion: v1
kind: Node
metadata: {name: %s, labels: {topology.kubernetes.io/region: r, topology.kubernetes.io/zone: %s}}
"""
MACHINE = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: machine, namespace: default}
spec: {address: %s, labels: {app: web, version: %s}, serviceAccount: carol}
"""
HOST = "web.default.svc.cluster.local"

# Per object, its states one after the other; the last one stays.
HISTORIES: Sequence[Sequence[str]] = (
    (service(), service(trafficDistribution="PreferClose"), service()),
    (service(clusterIP="None"), service(ports="{name: http, port: 80}, {name: grpc, port: 81}")),
    (service("api", clusterIP="None"),),
    (NODE % ("n1", "a"), NODE % ("n1", "b")),
    (NODE % ("n2", "c"),),
    (pod("web-1", "10.0.0.1", nodeName="n2"), pod("web-1", "10.0.0.1", labels={"version": "v1"}, nodeName="n1")),
    (pod("web-2", "10.0.0.2", labels={"version": "v2"}, nodeName="n2", serviceAccountName="bob"),),
    (pod("client", "10.9.9.9", labels={"app": "client"}, nodeName="n1"),),
    (endpoint_slice("s1", endpoint("10.0.0.1", "web-1"), endpoint("10.0.0.9", "web-9")),),
    (endpoint_slice("s2", endpoint("10.0.0.1", "web-1")), endpoint_slice("s2", endpoint("10.0.0.2", "web-2"))),
    (endpoint_slice("s3", endpoint("10.0.0.1", "web-1"), service="api"),),
    (rule("subsets: [{name: v1, labels: {version: v1}}]"), rule("trafficPolicy: {outlierDetection: {}}")),
    (rule("subsets: [{name: v2, labels: {version: v2}}]", name="second", created="2026-02-01T00:00:00Z"),),
    (rule("{host: '*.local', exportTo: ['*']}", name="broad", namespace="istio-system"),),
    (entry("{hosts: [a.com], ports: [{number: 80, name: http}], resolution: DNS}"),),
    (entry(f"{{hosts: [{HOST}], ports: [{{number: 80, name: http}}], resolution: STATIC}}", name="clash"),),
    (MACHINE % ("10.6.0.1", "v1"), MACHINE % ("10.6.0.2", "v2")),
    (peers("{mtls: {mode: DISABLE}}"), peers("{mtls: {mode: STRICT}}")),
)

# The same for a second cluster.
FAR_HISTORIES: Sequence[Sequence[str]] = (
    (service(clusterIP="10.0.9.1"),),
    (NODE % ("n1", "d"),),
    (pod("web-1", "10.8.0.1", labels={"version": "v1"}, nodeName="n1"),),
    (endpoint_slice("s1", endpoint("10.8.0.1", "web-1")),),
    (MACHINE % ("10.8.0.6", "v2"),),
)


class Moment(Enum):
    """What happens between two writes."""

    LOOK = auto()
    """The proxies are brought up to date."""
    RESTART = auto()
    """A new control plane starts with the objects of the moment."""


Event = Write | Moment
Rows = dict[ObjectKey, MeshObject]


def resources(mesh: Mesh) -> dict[str, bytes]:
    """Everything that a sidecar, one with a certificate, and a gateway get, by proxy, type and name."""
    return {
        f"{name} {resource.type_url} {resource.name}": resource.body
        for name, proxy in (("sidecar", SIDECAR), ("identified", IDENTIFIED), ("gateway", GATEWAY))
        for group in (mesh.clusters(proxy), mesh.assignments(proxy))
        for resource in group.values()
    }


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """The writes of all histories, shuffled, each in order, some objects deleted in between."""
    pending: list[list[Write]] = []
    histories = [(history, PRIMARY) for history in HISTORIES] + [(history, "east") for history in FAR_HISTORIES]
    for history, cluster in histories:
        steps = [write for text in history for write in writes(text, cluster)]
        if draw(st.booleans()):
            steps.insert(draw(st.integers(1, len(steps))), Write(steps[0].key, None))
        pending.append(steps)
    events: list[Event] = []
    while pending:
        steps = pending[draw(st.integers(0, len(pending) - 1))]
        events.append(steps.pop(0))
        if draw(st.booleans()):
            events.append(draw(st.sampled_from([Moment.LOOK, Moment.LOOK, Moment.LOOK, Moment.RESTART])))
        pending = [steps for steps in pending if steps]
    return events


def start(rows: Rows) -> Mesh:
    """A control plane that finds these objects."""
    mesh = Mesh()
    mesh.db.apply(Write(key, rows[key]) for key in sorted(rows))
    return mesh


def unreachable(mesh: Mesh, rows: Rows) -> set[tuple[str, str]]:
    """The ready endpoints, by cluster and address, that the proxies were not told of."""
    missing = set()
    for proxy in (SIDECAR, GATEWAY):
        known = {name: set(mesh.addresses(name, proxy)) for name in mesh.assignments(proxy)}
        for cluster, address in ready_endpoints(rows):
            # Intercepting sidecars pass connections to headless services on without knowing the endpoints.
            if address not in known.get(cluster, {address} if proxy is SIDECAR else ()):
                missing.add((cluster, address))
    return missing


def ready_endpoints(rows: Rows) -> Iterator[tuple[str, str]]:
    """What Kubernetes says: the addresses behind each port of each service, by cluster."""
    for key, found in rows.items():
        if not isinstance(found, core.EndpointSlice):
            continue
        name = found.metadata.labels["kubernetes.io/service-name"]
        own = ObjectKey(Kind.SERVICE, "default", name, key.cluster)
        # The primary cluster says which ports there are.
        owner = rows.get(own._replace(cluster=PRIMARY), rows[own]) if own in rows else None
        served = {port.name for port in found.ports}
        for port in owner.spec.ports if isinstance(owner, core.Service) else ():
            for each in found.endpoints:
                target = each.target_ref
                if port.name in served and (target is None or pod_key("default", target.name, key.cluster) in rows):
                    host = f"{name}.default.svc.cluster.local"
                    yield from ((f"outbound|{port.port}||{host}", address) for address in each.addresses)


@settings(max_examples=settings().max_examples // 5)
@given(arrivals())
def test_any_order_of_arrival_ends_like_a_fresh_start_and_leaves_no_ready_endpoint_out(events: list[Event]) -> None:
    mesh = Mesh()
    rows: Rows = {}
    for event in events:
        if event is Moment.LOOK:
            resources(mesh)
            assert not unreachable(mesh, rows)
        elif event is Moment.RESTART:
            before, mesh = resources(mesh), start(rows)
            assert resources(mesh) == before
        else:
            mesh.db.apply([event])
            if event.value is None:
                rows.pop(event.key, None)
            else:
                rows[event.key] = event.value
    assert resources(mesh) == resources(start(rows))
    assert not unreachable(mesh, rows)


FIVE = (
    service(),
    endpoint_slice("web", endpoint("10.0.0.1", "web-1"), endpoint("10.0.0.9")),
    pod("web-1", "10.0.0.1", labels={"app": "web", "version": "v1"}, nodeName="n1"),
    NODE % ("n1", "a"),
    rule("{host: web, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {outlierDetection: {}}}"),
)


@pytest.mark.parametrize("restart", [None, *range(1, len(FIVE))])
def test_every_order_of_service_slice_pod_node_and_rule(restart: int | None) -> None:
    expected = resources(Mesh(*FIVE))
    for order in itertools.permutations(range(len(FIVE))):
        mesh = Mesh()
        rows: Rows = {}
        for count, number in enumerate(order):
            if count == restart:
                mesh = start(rows)
            mesh.add(FIVE[number])
            rows |= {write.key: write.value for write in writes(FIVE[number]) if write.value is not None}
            resources(mesh)
            assert not unreachable(mesh, rows), order
        assert resources(mesh) == expected, order


def crowd(size: int) -> Mesh:
    """A mesh of so many services with two pods each."""
    mesh = Mesh()
    texts = []
    for number in range(size):
        name = f"web-{number}"
        ips = [f"10.{number // 100}.{number % 100}.{last}" for last in (1, 2)]
        texts.append(service(name))
        texts += [pod(f"{name}-{ip}", ip, labels={"app": name}) for ip in ips]
        texts.append(endpoint_slice(name, *(endpoint(ip, f"{name}-{ip}") for ip in ips), service=name))
    mesh.db.apply([write for text in texts for write in writes(text)])
    mesh.add(rule("{host: '*.local', trafficPolicy: {outlierDetection: {}}}", name="all"))
    resources(mesh)
    return mesh


CHANGES = {
    "endpoints": endpoint_slice("web-1", endpoint("10.0.1.1", "web-1-10.0.1.1"), service="web-1"),
    "pod": pod("web-1-10.0.1.1", "10.0.1.1", labels={"app": "web-1", "version": "v1"}),
    "rule": rule("{host: web-1, subsets: [{name: v1}]}", name="own"),
    "port": service("web-1", ports="{name: http, port: 80}, {name: grpc, port: 81}"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_cost_of_a_change_does_not_depend_on_the_size_of_the_mesh(change: str) -> None:
    costs = []
    for size in (10, 300):
        mesh = crowd(size)
        mesh.db.runs.clear()
        mesh.add(change)
        resources(mesh)
        assert mesh.db.runs
        costs.append(mesh.db.runs.copy())
    assert costs[0] == costs[1]
