"""What a change costs: which queries about routes are evaluated again, and which pieces stay as they are."""

import yaml

from tests.unit.translator.mesh_kit import writes
from tests.unit.translator.routes.tables import (
    database,
    gateway,
    networking,
    references,
    resource,
    service,
    sidecar,
    virtual_service,
)
from translator.database import Database
from translator.model.proxy import ViewKey

NAMES = [f"svc{number}" for number in range(20)]
SERVICES = "---\n".join(service(name, "http-8080", clusterIP=f"10.0.0.{index}") for index, name in enumerate(NAMES))


def ruled(name: str, **changes: object) -> str:
    spec = {"hosts": [name], "http": [{"route": [{"destination": {"host": name}}], **changes}]}
    return virtual_service(f"rule-{name}", yaml.safe_dump(spec))


RULES = "---\n".join(ruled(name) for name in NAMES[:10])


def built(db: Database, view: ViewKey) -> dict[str, bytes]:
    """All tables of a View."""
    return {name: resource(db, view, name).body for name in references(db, view)}


def runs(db: Database, view: ViewKey, change: str) -> dict[str, int]:
    """How often queries about routes run because of a change, by name; not those that run for nothing else."""
    before = built(db, view)
    db.runs.clear()
    db.apply(writes(change))
    assert built(db, view) != before
    prefix = "translator.routes."
    return {name.removeprefix(prefix): count for name, count in db.runs.items() if name.startswith(prefix)}


def test_a_rule_that_says_something_else_costs_its_routes_and_the_joining() -> None:
    found = runs(database(SERVICES, RULES), sidecar(), ruled("svc3", timeout="5s"))
    assert found["rule.rule_routes"] == 1
    assert found["sidecar.outbound_table"] == 1
    assert found["candidate.host_candidates"] == 1
    assert "candidate.candidate_hosts" not in found
    assert "default.default_routes" not in found
    assert "selection.route_references" not in found


def test_a_new_rule_costs_the_tables_of_its_hosts() -> None:
    db = database(SERVICES, RULES, service("other", "http-9090"))
    found = runs(db, sidecar(), ruled("other"))
    assert found["candidate.host_candidates"] == 1
    assert found["sidecar.outbound_table"] == 1
    assert found["rule.rule_routes"] == 1


def test_a_new_service_costs_its_own_routes() -> None:
    db = database(SERVICES, RULES)
    found = runs(db, sidecar(), service("new", "http-8080"))
    assert found["default.default_routes"] == 1
    assert found["candidate.host_candidates"] == 1
    assert "rule.rule_routes" not in found


def test_another_port_is_not_disturbed_by_a_new_service() -> None:
    db = database(SERVICES, RULES, service("other", "http-9090"))
    found = runs(db, sidecar(), service("new", "http-9090"))
    assert found["candidate.host_candidates"] == 1
    assert found["sidecar.outbound_table"] == 1


def test_a_policy_that_hashes_costs_the_routes_to_its_host() -> None:
    hashing = "{host: svc15, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}}"
    found = runs(database(SERVICES, RULES), sidecar(), networking("DestinationRule", "dr", hashing))
    # For this namespace alone now; and before that, if they are looked at first, for all that had no rule of their own.
    assert found["default.default_routes"] in (1, 2)
    assert "rule.rule_routes" not in found
    assert found["candidate.host_candidates"] == 1


def test_a_policy_without_hashing_changes_no_route() -> None:
    db = database(SERVICES, RULES)
    before = built(db, sidecar())
    db.runs.clear()
    db.apply(writes(networking("DestinationRule", "dr", "{host: svc15, subsets: [{name: v1, labels: {v: '1'}}]}")))
    assert built(db, sidecar()) == before
    assert db.runs["translator.routes.sidecar.outbound_table"] == 0


def test_endpoints_cost_nothing() -> None:
    db = database(SERVICES, RULES)
    before = built(db, sidecar())
    db.runs.clear()
    db.apply(
        writes(
            "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, "
            "endpoints: [{addresses: [10.1.0.1]}], ports: [{name: http-8080, port: 8080}], "
            "metadata: {name: svc3-x, namespace: default, labels: {kubernetes.io/service-name: svc3}}}"
        )
    )
    assert built(db, sidecar()) == before
    assert not any(name.startswith("translator.routes.") for name in db.runs)


def test_sidecars_of_a_namespace_share_everything() -> None:
    db = database(SERVICES, RULES)
    built(db, sidecar())
    db.runs.clear()
    built(db, sidecar(network="other", cluster_id="other"))
    assert db.runs.keys() == {"translator.routes.selection.route_references"}


def test_a_rule_of_a_gateway_costs_its_routes() -> None:
    servers = "{selector: {app: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}"

    def bound(name: str, timeout: str) -> str:
        rule = {"timeout": timeout, "route": [{"destination": {"host": name}}]}
        spec = {"hosts": [f"{name}.com"], "gateways": ["edge/web"], "http": [rule]}
        return virtual_service(name, yaml.safe_dump(spec))

    texts = [bound(name, "1s") for name in NAMES]
    db = database(SERVICES, networking("Gateway", "web", servers, namespace="edge"), *texts)
    found = runs(db, gateway(), bound("svc3", "2s"))
    assert found["rule.rule_routes"] == 1
    assert found["gateway.rule_shares"] == 1
    assert found["gateway.gateway_table"] == 1


def test_the_cost_of_a_rule_does_not_grow_with_the_number_of_others() -> None:
    counts = []
    for size in (10, 40):
        names = [f"svc{number}" for number in range(size)]
        db = database(*(service(name, "http-8080") for name in names), *map(ruled, names))
        counts.append(
            [
                runs(db, sidecar(), change)
                for change in (ruled("svc3", timeout="5s"), ruled("svc4", retries={"attempts": 1}))
            ]
        )
    assert counts[0] == counts[1]
