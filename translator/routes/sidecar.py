"""The outbound route tables of sidecars."""

from translator.database import Database
from translator.engine import query
from translator.model.proxy import Labels
from translator.routes.candidate import TableKey, table_routes
from translator.routes.claim import TableScope, service_rules
from translator.routes.default import unknown_hosts
from translator.routes.layer import has_common_hosts, layered_hosts
from translator.routes.rule import counts_attempts
from translator.routes.sidecar_hosts import scoped_hosts
from translator.routes.table import join_table, list_hosts
from translator.routes.virtual_host import encode_head, encode_tail
from xds.resource import Resource


@query
def outbound_table(db: Database, key: TableKey, name: str) -> Resource | None:
    """The table for all hosts of a port, or of all ports, ending with what becomes of unknown hosts."""
    unknown = unknown_hosts(db, key.services.scope)
    known = layered_hosts if has_common_hosts(key) else scoped_hosts
    hosts = known(db, key).followed_by(unknown.virtual_host, unknown.clusters)
    # Envoy takes the port from the request's authority only, so a domain that has one could never match.
    return join_table(name, hosts, ignore_port=bool(key.services.port), breathe=db.breathe)


@query
def sniffed_table(
    db: Database, table: TableScope, labels: Labels, service: tuple[str, str], name: str
) -> Resource | None:
    """The table of a listener that is a single service's own: whatever host a request names, it is meant.

    ``service`` is namespace and hostname.
    """
    rules = service_rules(db, table, labels, service[1])
    routes = table_routes(db, table, labels, rules[0].key if rules else None, (service, table.port))
    head = encode_head(f"{service[1]}:{table.port}", ("*",))
    encoded = head + routes.body + encode_tail(attempt_count=counts_attempts(db))
    return join_table(name, list_hosts([encoded], routes.clusters))
