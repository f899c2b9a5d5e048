"""Whatever a mesh is made of, no table names a virtual host or a domain twice, in any order of the objects."""

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.translator.mesh_kit import writes
from tests.unit.translator.routes.tables import (
    database,
    gateway,
    networking,
    references,
    resource,
    service,
    service_entry,
    sidecar,
    table,
    virtual_service,
)
from translator.database import Database
from translator.model.proxy import IpFamilies, ViewKey
from translator.objects.mesh_config import MeshConfig
from translator.store import Write
from xds.resource import Resource

ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "None"])
HOSTS = st.sampled_from(
    [
        "a",
        "A",
        "b",
        "a.default",
        "a.default.svc",
        "a.default.svc.cluster.local",
        "b.prod.svc.cluster.local",
        "x.com",
        "X.com",
        "y.x.com",
        "*.x.com",
        "*.com",
        "*",
        "*.default.svc.cluster.local",
        "*.a.default",
        "10.0.0.1",
        "2001:db8::1",
    ]
)
NAMESPACES = st.sampled_from(["default", "prod"])
SERVICES = st.builds(
    lambda name, namespace, address, ports: service(name, *ports, namespace=namespace, clusterIP=address),
    st.sampled_from(["a", "b", "com"]),
    NAMESPACES,
    ADDRESSES,
    st.sampled_from([["http-80"], ["http-80", "http-81"], ["tcp-80", "foo-81"]]),
)
ALIASES = st.builds(
    lambda name, target: service(name, "http-80", type="ExternalName", externalName=target),
    st.sampled_from(["a", "c", "d"]),
    st.sampled_from(["b.default.svc.cluster.local", "x.com", "c.default.svc.cluster.local"]),
)
ENTRIES = st.builds(
    lambda name, hosts: service_entry(name, hosts, "HTTP-80", "HTTP-81", resolution="STATIC", addresses=["10.0.0.1"]),
    st.sampled_from(["e", "f"]),
    st.lists(HOSTS, min_size=1, max_size=3),
)
RULES = st.builds(
    lambda name, namespace, hosts, gateways, day: virtual_service(
        name,
        yaml.safe_dump(
            {"hosts": hosts, "gateways": gateways, "http": [{"name": name, "route": [{"destination": {"host": "a"}}]}]}
        ),
        namespace=namespace,
        created=f"2024-01-0{day}T00:00:00Z",
    ),
    st.sampled_from(["r", "s", "t"]),
    NAMESPACES,
    st.lists(HOSTS, min_size=1, max_size=3),
    st.sampled_from([[], ["mesh"], ["edge/web"], ["edge/web", "mesh"]]),
    st.integers(1, 3),
)
SERVER_HOSTS = st.lists(
    st.sampled_from(["*", "*.x.com", "x.com", "X.com", "prod/*", "./x.com"]), min_size=1, max_size=3
)
GATEWAYS = st.builds(
    lambda hosts, redirect: networking(
        "Gateway",
        "web",
        yaml.safe_dump(
            {
                "selector": {"app": "gw"},
                "servers": [
                    {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": each, "tls": tls}
                    for each, tls in zip(hosts, ({"httpsRedirect": redirect}, None), strict=True)
                ],
            }
        ),
        namespace="edge",
    ),
    st.tuples(SERVER_HOSTS, SERVER_HOSTS),
    st.booleans(),
)
VIEWS = (
    sidecar(),
    sidecar("prod", families=IpFamilies.DUAL),
    sidecar("default", dns_domain="x.com", families=IpFamilies.V6),
    gateway(),
)
MESH = MeshConfig(proxy_http_port=15007)


@settings(max_examples=settings().max_examples // 5)
@given(
    st.tuples(
        st.lists(SERVICES, max_size=3),
        st.lists(ALIASES, max_size=2),
        st.lists(ENTRIES, max_size=2),
        st.lists(RULES, max_size=4),
        st.lists(GATEWAYS, max_size=1),
    ),
    st.randoms(use_true_random=False),
)
def test_case_31_tables_are_unambiguous_and_do_not_depend_on_the_order(groups, random) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - drawn by the strategies above
    # Of several objects with one name the last would win, so each name is given once.
    texts = list({_identity(text): text for group in groups for text in group}.values())
    db = database(*texts, mesh=MESH)
    shuffled = database(*random.sample(texts, len(texts)), mesh=MESH)
    for view in VIEWS:
        assert references(db, view) == references(shuffled, view)
        for name in references(db, view):
            table(db, view, name)
            assert resource(db, view, name) == resource(shuffled, view, name)


CHANGES = st.lists(
    st.tuples(st.one_of(SERVICES, ALIASES, ENTRIES, RULES, RULES, GATEWAYS), st.booleans(), st.booleans()),
    min_size=1,
    max_size=10,
)


@settings(max_examples=settings().max_examples // 5)
@given(CHANGES)
def test_tables_after_any_history_are_those_of_a_fresh_start(changes: list[tuple[str, bool, bool]]) -> None:
    db = database(mesh=MESH)
    there: dict[tuple[str, str, str], str] = {}
    for text, removed, looked_at in changes:
        there.pop(_identity(text), None)
        (write,) = writes(text)
        if removed:
            db.apply([Write(write.key, None)])
        else:
            there[_identity(text)] = text
            db.apply([write])
        if looked_at:
            assert tables(db) == tables(database(*there.values(), mesh=MESH))
            db.release_unused()
    assert tables(db) == tables(database(*there.values(), mesh=MESH))


def tables(db: Database) -> dict[tuple[ViewKey, str], Resource]:
    """Every table of every View."""
    return {(view, name): resource(db, view, name) for view in VIEWS for name in references(db, view)}


def _identity(text: str) -> tuple[str, str, str]:
    document = yaml.safe_load(text)
    return document["kind"], document["metadata"]["namespace"], document["metadata"]["name"]
