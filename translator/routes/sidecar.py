"""The outbound route tables of sidecars."""

from translator.database import Database
from translator.engine import query
from translator.model.destination_rule import policy_labels
from translator.model.proxy import Labels
from translator.objects.registry import ObjectKey
from translator.routes.claim import TableScope, service_rules
from translator.routes.context import RouteContext
from translator.routes.default import default_routes, unknown_hosts
from translator.routes.layout import TableKey, layout
from translator.routes.rule import counts_attempts, narrow_context, rule_routes
from translator.routes.table import join_table
from translator.routes.virtual_host import EncodedRoutes, encode_head, encode_tail
from xds.resource import Resource


@query
def outbound_table(db: Database, key: TableKey, name: str) -> Resource | None:
    """The table for all hosts of a port, or of all ports, ending with what becomes of unknown hosts."""
    tail = encode_tail(attempt_count=counts_attempts(db))
    virtual_hosts: list[bytes] = []
    clusters: set[str] = set()
    for placed in layout(db, key):
        routes = _routes(db, key.services, key.labels, placed.rule, (placed.service, placed.port))
        virtual_hosts.append(placed.head + routes.body + tail)
        clusters.update(routes.clusters)
    unknown = unknown_hosts(db, key.services.scope)
    virtual_hosts.append(unknown.virtual_host)
    clusters.update(unknown.clusters)
    # Envoy takes the port from the request's authority only, so a domain that has one could never match.
    return join_table(name, virtual_hosts, clusters, ignore_port=bool(key.services.port))


@query
def sniffed_table(
    db: Database, table: TableScope, labels: Labels, service: tuple[str, str], name: str
) -> Resource | None:
    """The table of a listener that is a single service's own: whatever host a request names, it is meant.

    ``service`` is namespace and hostname.
    """
    rules = service_rules(db, table, labels, service[1])
    routes = _routes(db, table, labels, rules[0].key if rules else None, (service, table.port))
    head = encode_head(f"{service[1]}:{table.port}", ("*",))
    return join_table(name, [head + routes.body + encode_tail(attempt_count=counts_attempts(db))], routes.clusters)


def _routes(
    db: Database, table: TableScope, labels: Labels, rule: ObjectKey | None, target: tuple[tuple[str, str], int]
) -> EncodedRoutes:
    """The routes of a rule, or without one the default route to a service and port."""
    namespace = table.scope.namespace
    if rule is not None:
        context = RouteContext(namespace=namespace, port=table.port, labels=labels)
        return rule_routes(db, narrow_context(db, context, rule), rule)
    service, port = target
    return default_routes(db, namespace, policy_labels(db, namespace, labels, service[1]), service, port)
