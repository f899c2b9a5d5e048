"""Tables that share what namespaces have alike are those that every namespace would have made for itself."""

from collections.abc import Iterator

import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.mesh_kit import writes
from tests.unit.translator.routes.tables import (
    database,
    networking,
    references,
    service,
    service_entry,
    sidecar,
    virtual_service,
)
from translator.database import Database
from translator.model.proxy import ViewKey
from translator.objects.mesh_config import MeshConfig
from translator.objects.registry import Kind
from translator.routes.candidate import TableKey
from translator.routes.layer import has_common_hosts, hosts_apart, layered_hosts
from translator.routes.sidecar_hosts import scoped_hosts
from translator.routes.table import HostList
from translator.store import Write

NAMESPACES = st.sampled_from(["default", "prod", "istio-system"])
EXPORTS = st.sampled_from([[], ["."], ["*"], ["~"], ["prod"], ["default", "prod"]])
SHORT = st.sampled_from(["a", "b", "a.prod.svc.cluster.local", "x.com"])
HOSTS = st.sampled_from(
    [
        "a",
        "b",
        "a.default",
        "a.prod",
        "a.default.svc.cluster.local",
        "b.prod.svc.cluster.local",
        "a.svc.svc.cluster.local",
        "x.com",
        "y.x.com",
        "*.x.com",
        "*.cluster.local",
        "*.default.svc.cluster.local",
        "*",
        "10.0.0.1",
    ]
)


def exported(text: str, values: list[str]) -> str:
    """A service with an annotation, anything else with a field."""
    document = yaml.safe_load(text)
    if document["kind"] == "Service":
        document["metadata"]["annotations"] = {"networking.istio.io/exportTo": ",".join(values)}
    else:
        document["spec"]["exportTo"] = values
    return yaml.safe_dump(document)


SERVICES = st.builds(
    lambda name, namespace, address, ports, export: exported(
        service(name, *ports, namespace=namespace, clusterIP=address), export
    ),
    st.sampled_from(["a", "b", "com"]),
    NAMESPACES,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "None"]),
    st.sampled_from([["http-80"], ["http-80", "http-81"], ["tcp-80", "foo-81"]]),
    EXPORTS,
)
ALIASES = st.builds(
    lambda name, namespace, target: service(
        name, "http-80", namespace=namespace, type="ExternalName", externalName=target
    ),
    st.sampled_from(["c", "d"]),
    NAMESPACES,
    st.sampled_from(["a.prod.svc.cluster.local", "x.com", "c.default.svc.cluster.local"]),
)
ENTRIES = st.builds(
    lambda name, namespace, hosts, export: exported(
        service_entry(name, hosts, "HTTP-80", "HTTP-81", namespace=namespace, resolution="STATIC"), export
    ),
    st.sampled_from(["e", "f"]),
    NAMESPACES,
    st.lists(HOSTS, min_size=1, max_size=3),
    EXPORTS,
)
MATCHES = st.sampled_from(
    [
        [],
        [{"sourceNamespace": "prod"}],
        [{"sourceLabels": {"app": "web"}}],
        [{"sourceNamespace": "prod", "gateways": ["mesh"]}],
        [{"port": 81}],
    ]
)


def ruled(hosts: list[str], first: tuple[list[dict[str, object]], str], second: str) -> str:
    """The specification of a VirtualService."""
    match, target = first
    rules = [
        {"match": match, "route": [{"destination": {"host": target}}]},
        {"route": [{"destination": {"host": second}}]},
    ]
    return yaml.safe_dump({"hosts": hosts, "http": rules})


RULES = st.builds(
    lambda name, namespace, spec, day, export: exported(
        virtual_service(name, spec, namespace=namespace, created=f"2024-01-0{day}T00:00:00Z"), export
    ),
    st.sampled_from(["r", "s", "t"]),
    NAMESPACES,
    st.builds(ruled, st.lists(HOSTS, min_size=1, max_size=3), st.tuples(MATCHES, SHORT), SHORT),
    st.integers(1, 3),
    EXPORTS,
)


def hashed(host: str, header: str, selector: dict[str, str] | None) -> str:
    """The specification of a DestinationRule that is seen in routes."""
    spec: dict[str, object] = {
        "host": host,
        "trafficPolicy": {"loadBalancer": {"consistentHash": {"httpHeaderName": header}}},
    }
    return yaml.safe_dump(spec | ({"workloadSelector": {"matchLabels": selector}} if selector else {}))


POLICIES = st.builds(
    lambda name, namespace, spec, export: exported(
        networking("DestinationRule", name, spec, namespace=namespace), export
    ),
    st.sampled_from(["p", "q"]),
    NAMESPACES,
    st.builds(hashed, HOSTS, st.sampled_from(["x", "y"]), st.sampled_from([None, {"app": "web"}])),
    EXPORTS,
)
VIEWS = (
    sidecar(),
    sidecar("prod", labels=(("app", "web"),)),
    sidecar("prod"),
    sidecar("mesh"),
    sidecar("svc"),
    sidecar("istio-system"),
)
MESH = MeshConfig(proxy_http_port=15007)
OBJECTS = st.one_of(SERVICES, SERVICES, ALIASES, ENTRIES, RULES, RULES, POLICIES)


def keys(db: Database) -> Iterator[tuple[ViewKey, TableKey]]:
    """The tables that are put together from hosts, of all Views."""
    for view in VIEWS:
        for reference in references(db, view).values():
            if isinstance(reference.args[0], TableKey):
                yield view, reference.args[0]


def made_alone(*texts: str) -> dict[TableKey, HostList]:
    """All tables as they are without sharing, from scratch."""
    db = database(*texts, mesh=MESH)
    return {key: scoped_hosts(db, key) for _, key in keys(db)}


def shared(db: Database) -> dict[TableKey, HostList]:
    """All tables with sharing."""
    assert all(has_common_hosts(key) for _, key in keys(db))
    return {key: layered_hosts(db, key) for _, key in keys(db)}


@given(st.lists(st.tuples(OBJECTS, st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_shared_tables_after_any_history_are_those_that_each_would_make(changes: list[tuple[str, bool, bool]]) -> None:
    db = database(mesh=MESH)
    there: dict[tuple[str, ...], str] = {}
    for text, removed, looked_at in changes:
        document = yaml.safe_load(text)
        identity = (document["kind"], document["metadata"]["namespace"], document["metadata"]["name"])
        there.pop(identity, None)
        (write,) = writes(text)
        if removed:
            db.apply([Write(write.key, None)])
        else:
            there[identity] = text
            db.apply([write])
        if looked_at:
            assert shared(db) == made_alone(*there.values())
            db.release_unused()
    assert shared(db) == made_alone(*there.values())


NAMES = [f"svc{number}" for number in range(20)]
MANY = "---\n".join(service(name, "http-8080", clusterIP=f"10.0.0.{at}") for at, name in enumerate(NAMES))
OWN = service("mine", "http-8080", namespace="prod", clusterIP="10.0.1.1")


def hosts_of(db: Database, view: ViewKey) -> HostList:
    """The hosts of the table of port 8080."""
    return layered_hosts(db, references(db, view)["8080"].args[0])


def apart(db: Database, view: ViewKey) -> set[str]:
    """The hosts that a namespace does not share, by their first labels."""
    return {host.partition(".")[0] for host in hosts_apart(db, references(db, view)["8080"].args[0])}


def runs(db: Database, view: ViewKey) -> dict[str, int]:
    """How many hosts are asked for, for this View and for all that share with it."""
    db.runs.clear()
    hosts_of(db, view)
    return {
        kind: db.runs[f"translator.routes.{name}"]
        for kind, name in (("own", "candidate.host_candidates"), ("common", "common.common_candidates"))
    }


def test_a_namespace_asks_for_its_own_hosts_alone() -> None:
    db = database(MANY, OWN)
    assert runs(db, sidecar()) == {"own": 20, "common": 21}
    assert runs(db, sidecar("prod")) == {"own": 1, "common": 0}
    assert runs(db, sidecar("mesh")) == {"own": 0, "common": 0}


def test_namespaces_without_anything_of_their_own_share_the_very_records() -> None:
    db = database(MANY, OWN)
    one, other = hosts_of(db, sidecar("mesh")), hosts_of(db, sidecar("team"))
    assert len(one.records) == 21
    assert all(mine is yours for mine, yours in zip(one.records, other.records, strict=True))
    assert one.references is other.references


def test_a_host_moves_to_those_whom_its_rule_tells_apart_and_back() -> None:
    def rule(match: str) -> str:
        route = "[{destination: {host: svc4}}]"
        return virtual_service("rule", f"{{hosts: [svc3], http: [{{match: {match}, route: {route}}}]}}")

    db, prod, mesh = database(MANY, OWN, rule("[]")), sidecar("prod"), sidecar("mesh")
    assert (apart(db, prod), apart(db, mesh)) == ({"mine"}, set())
    for match, expected in (
        ("[{sourceNamespace: prod}]", ({"mine", "svc3"}, set())),
        ("[{sourceLabels: {app: web}}]", ({"mine", "svc3"}, {"svc3"})),
        ("[{sourceLabels: {app: web}, gateways: [mesh]}]", ({"mine"}, set())),
        ("[]", ({"mine"}, set())),
    ):
        db.apply(writes(rule(match)))
        assert (apart(db, prod), apart(db, mesh)) == expected
        fresh = database(MANY, OWN, rule(match))
        assert [hosts_of(db, view) for view in (prod, mesh)] == [hosts_of(fresh, view) for view in (prod, mesh)]


def test_hosts_are_apart_for_those_to_whom_they_are_exported_by_name() -> None:
    db = database(MANY, exported(service("quiet", "http-8080"), ["prod"]))
    assert apart(db, sidecar("prod")) == {"quiet"}
    assert apart(db, sidecar("mesh")) == set()
    assert len(hosts_of(db, sidecar("prod")).records) == 21
    assert len(hosts_of(db, sidecar("mesh")).records) == 20


def test_hosts_that_want_the_same_domain_are_apart_for_everybody() -> None:
    db = database(MANY, service_entry("one", ["svc3.default"], "HTTP-80", ports=[{"number": 8080, "name": "http"}]))
    assert apart(db, sidecar("mesh")) == {"svc3"}
    db.apply([Write(write.key, None) for write in writes(service_entry("one", ["svc3.default"]))])
    assert apart(db, sidecar("mesh")) == set()


def test_a_common_host_whose_domain_an_own_host_wants_competes_with_it() -> None:
    # In its own namespace ``mine`` is a short name; to all others it is the entry.
    entry = {"name": "http", "number": 8080, "protocol": "HTTP"}
    text = networking("ServiceEntry", "short", yaml.safe_dump({"hosts": ["mine"], "ports": [entry]}))
    db = database(MANY, OWN, text)
    assert apart(db, sidecar("prod")) == {"mine"}
    for view in (sidecar("prod"), sidecar("mesh")):
        key = references(db, view)["8080"].args[0]
        assert layered_hosts(db, key) == scoped_hosts(db, key)


def test_what_made_a_table_does_not_tell_of_what_is_told_apart() -> None:
    everywhere = virtual_service(
        "common", "{hosts: [mine.prod.svc.cluster.local], http: [{name: x}]}", namespace="prod"
    )
    db = database(MANY, OWN, everywhere, exported(networking("DestinationRule", "far", "{host: svc3}"), ["*"]))
    own = networking("DestinationRule", "near", "{host: svc3.default.svc.cluster.local}", namespace="prod")
    db.apply(writes(own))
    names = {}
    for view in (sidecar("prod"), sidecar("mesh")):
        key = references(db, view)["8080"].args[0]
        hosts_of(db, view)
        found = db.origin_objects(db.origins(db.node(layered_hosts, (key,))))
        names[view.namespace] = {each.name for each in found if each.kind is Kind.DESTINATION_RULE}
    assert names == {"prod": {"near"}, "mesh": {"far"}}
