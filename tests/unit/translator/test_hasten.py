"""Endpoints that are gone are found and put in force before the rest of a View is up to date; it ends up the same."""

from collections.abc import Callable
from typing import Final

import pytest
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.mesh_kit import SIDECAR, endpoint, endpoint_slice, rule, service, writes
from translator.fiber import always
from translator.objects.meta import MeshObject
from translator.objects.registry import ObjectKey
from translator.settings import Settings
from translator.store import Write
from translator.translator import Translator
from translator.view import GENERATORS, View
from xds.ledger import Holding
from xds.types import CLUSTER, ENDPOINT, TYPES, TypeUrl
from xds.view import Catalogue

WEB, API = "outbound|80||web.default.svc.cluster.local", "outbound|80||api.default.svc.cluster.local"
ALL: Final = frozenset({"10.1.0.1", "10.1.0.2", "10.1.0.3"})
ROUTED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {0}, namespace: default}}
spec: {{hosts: [{0}], http: [{{timeout: {1}s, route: [{{destination: {{host: {0}}}}}]}}]}}
"""


def slice_of(name: str, ready: frozenset[str]) -> str:
    """A slice whose other endpoints are not ready."""
    endpoints = [endpoint(address, ready=address in ready) for address in sorted(ALL)]
    return endpoint_slice(f"{name}-1", *endpoints, service=name)


class Mesh:
    """A translator with one View that is up to date."""

    def __init__(self, *texts: str) -> None:
        self.translator = Translator(Settings())
        self.objects: dict[ObjectKey, MeshObject] = {}
        self.write(*texts)
        self.binding = self.translator.bind(SIDECAR)
        self.view = self.binding.view
        self.finish()

    def write(self, *texts: str) -> None:
        for write in (write for text in texts for write in writes(text)):
            self.translator.apply([write])
            assert write.value is not None
            self.objects[write.key] = write.value

    def remove(self, *texts: str) -> None:
        for write in (write for text in texts for write in writes(text)):
            self.translator.apply([Write(write.key, None)])
            self.objects.pop(write.key, None)

    def hasten(self) -> set[str]:
        for _ in self.view.hasten():
            pass
        return set(self.view.commit_losses())

    def finish(self) -> dict[TypeUrl, set[str]]:
        for _ in self.view.refresh():
            pass
        return {type_url: set(names) for type_url, names in self.view.commit().items()}

    def ready(self, cluster: str) -> set[str]:
        """The endpoints of a cluster that get requests."""
        message = ClusterLoadAssignment.FromString(self.view.resources(ENDPOINT)[cluster].body)
        endpoints = (each for group in message.endpoints for each in group.lb_endpoints)
        return {each.endpoint.address.socket_address.address for each in endpoints if each.health_status == 1}


@pytest.fixture
def mesh() -> Mesh:
    return Mesh(service(), service("api"), slice_of("web", ALL), slice_of("api", ALL))


def test_losses_are_in_force_before_anything_else_is_looked_at(mesh: Mesh) -> None:
    mesh.write(
        ROUTED.format("web", 3), rule("{host: api, trafficPolicy: {loadBalancer: {simple: RANDOM}}}", name="api")
    )
    mesh.write(slice_of("web", ALL - {"10.1.0.1"}), slice_of("api", ALL))
    runs = mesh.translator.db.runs["translator.routes.outbound.outbound_routes"]
    assert mesh.hasten() == {WEB}
    assert mesh.view.losses == {WEB}
    assert mesh.ready(WEB) == ALL - {"10.1.0.1"}
    assert mesh.translator.db.runs["translator.routes.outbound.outbound_routes"] == runs
    assert mesh.view.is_stale
    changed = mesh.finish()
    assert ENDPOINT not in changed
    assert mesh.view.losses == set()
    assert not mesh.view.is_stale


def test_a_refresh_that_is_under_way_does_not_hold_up_losses(mesh: Mesh) -> None:
    mesh.write(*(ROUTED.format(f"host-{number}", 3) for number in range(100)))
    refreshing = mesh.view.refresh(always)
    for _ in range(3):
        next(refreshing)
    mesh.write(slice_of("web", ALL - {"10.1.0.1"}))
    assert mesh.view.may_lose
    assert mesh.hasten() == {WEB}
    assert mesh.view.is_stale
    assert ENDPOINT not in mesh.finish()


def test_what_is_gained_waits_for_the_rest(mesh: Mesh) -> None:
    mesh.write(slice_of("web", ALL - {"10.1.0.1"}), slice_of("api", ALL - {"10.1.0.1"}))
    mesh.finish()
    assert mesh.view.losses == {WEB, API}
    mesh.write(slice_of("web", ALL), slice_of("api", frozenset({"10.1.0.2"})))
    assert mesh.hasten() == {API}
    assert mesh.ready(WEB) == ALL - {"10.1.0.1"}
    assert mesh.finish() == {ENDPOINT: {WEB}}
    assert mesh.view.losses == set()


def test_an_assignment_that_is_left_without_endpoints_stays_with_its_routes(mesh: Mesh) -> None:
    mesh.write(slice_of("web", frozenset()))
    assert mesh.hasten() == set()
    assert mesh.ready(WEB) == ALL
    assert mesh.finish() == {ENDPOINT: {WEB}}
    assert mesh.view.losses == {WEB}
    mesh.remove(service("api"), slice_of("api", ALL))
    assert mesh.hasten() == set()
    assert API in mesh.finish()[CLUSTER]
    assert mesh.view.losses == {API}


def test_an_assignment_stays_with_a_cluster_that_changes_too(mesh: Mesh) -> None:
    mesh.write(slice_of("web", ALL - {"10.1.0.1"}), slice_of("api", ALL - {"10.1.0.1"}))
    mesh.write(rule("{host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}}", name="other"))
    assert mesh.hasten() == {API}
    assert mesh.ready(WEB) == ALL
    assert mesh.finish() == {CLUSTER: {WEB}, ENDPOINT: {WEB}}


def test_a_loss_that_is_taken_back_is_none(mesh: Mesh) -> None:
    mesh.write(slice_of("web", ALL - {"10.1.0.1"}))
    for _ in mesh.view.hasten():
        pass
    mesh.write(slice_of("web", ALL))
    assert mesh.view.commit_losses() == set()
    assert mesh.hasten() == set()
    assert mesh.finish() == {}
    assert mesh.view.losses == set()


def test_a_new_view_has_nothing_to_lose() -> None:
    translator = Translator(Settings())
    translator.apply(write for text in (service(), slice_of("web", ALL)) for write in writes(text))
    view = translator.bind(SIDECAR).view
    assert not view.may_lose
    next(view.refresh(always))
    translator.apply(writes(slice_of("web", frozenset())))
    assert not view.may_lose
    assert list(translator.losing_views) == []


def test_a_view_that_is_dropped_looks_for_nothing(mesh: Mesh) -> None:
    mesh.write(slice_of("web", ALL - {"10.1.0.1"}))
    next(mesh.view.hasten(always))
    assert list(mesh.translator.losing_views) == [mesh.view]
    mesh.binding.close()
    assert list(mesh.translator.losing_views) == []
    assert mesh.view.commit_losses() == set()
    mesh.translator.db.sweep()
    mesh.translator.db.release_unused()
    assert len(mesh.translator.db) == 0


Step = Callable[[Mesh], object]
NAMES = st.sampled_from(("web", "api", "db"))
READY = st.frozensets(st.sampled_from(sorted(ALL)))


def _written(text: str) -> Step:
    return lambda mesh: mesh.write(text)


def _removed(text: str) -> Step:
    return lambda mesh: mesh.remove(text)


def _advance(view: View, steps: int, *, hasty: bool) -> None:
    work = (view.hasten if hasty else view.refresh)(always)
    for _ in range(steps):
        next(work, None)


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda name, ready: _written(slice_of(name, ready)), NAMES, READY),
    st.builds(lambda name: _removed(slice_of(name, ALL)), NAMES),
    st.builds(lambda name: _written(service(name)), NAMES),
    st.builds(lambda name: _removed(service(name)), NAMES),
    st.builds(lambda name, seconds: _written(ROUTED.format(name, seconds)), NAMES, st.integers(1, 3)),
    st.builds(
        lambda name, most: _written(
            rule(f"{{host: {name}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {most}}}}}}}}}", name=name)
        ),
        NAMES,
        st.integers(1, 3),
    ),
    st.builds(
        lambda steps, hasty: lambda mesh: _advance(mesh.view, steps, hasty=hasty), st.integers(1, 20), st.booleans()
    ),
    st.just(Mesh.hasten),
    st.just(lambda mesh: mesh.view.commit_losses()),
    st.just(Mesh.finish),
)


@given(st.lists(STEPS, max_size=25))
def test_however_losses_go_ahead_the_view_ends_up_the_same(steps: list[Step]) -> None:
    mesh = Mesh(service(), service("api"), slice_of("web", ALL), slice_of("api", ALL))
    for step in steps:
        before = {each.type_url: dict(mesh.view.resources(each.type_url)) for each in TYPES}
        was_ready = {name: mesh.ready(name) for name in before[ENDPOINT]}
        step(mesh)
        for generator in GENERATORS:
            resources = mesh.view.resources(generator.type_url)
            assert isinstance(resources, Catalogue)
            assert Holding.of(resources).digest == Holding(resources).digest
        if mesh.view.is_stale:
            # Of what is in force only endpoints may go before the rest.
            assert all(mesh.view.resources(kind) == found for kind, found in before.items() if kind != ENDPOINT)
            assert mesh.view.resources(ENDPOINT).keys() == before[ENDPOINT].keys()
            changed = [name for name, found in before[ENDPOINT].items() if mesh.view.resources(ENDPOINT)[name] != found]
            assert all(was_ready[name] - mesh.ready(name) and mesh.ready(name) & was_ready[name] for name in changed)
    mesh.finish()
    fresh = Translator(Settings())
    fresh.apply(Write(key, found) for key, found in mesh.objects.items())
    view = fresh.bind(SIDECAR).view
    for _ in view.refresh():
        pass
    view.commit()
    for each in TYPES:
        assert mesh.view.resources(each.type_url) == view.resources(each.type_url)
