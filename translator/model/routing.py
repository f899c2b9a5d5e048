"""Which routing rules there are for a gateway, for the mesh and for a host, in the order in which proxies see them."""

from translator.database import Database
from translator.engine import query
from translator.indexes import MESH, PARTIAL_PATTERNS, VIRTUAL_SERVICES, VIRTUAL_SERVICES_OF_GATEWAY
from translator.model.export import is_exported
from translator.model.gateway_api.route import kubernetes_rule
from translator.model.host import covering_patterns, covers, specificity
from translator.model.routing_rule import RoutingRule
from translator.model.virtual_service import virtual_service_rule
from translator.objects.registry import Kind, ObjectKey


def routing_rule(db: Database, key: ObjectKey) -> RoutingRule | None:
    """The rule under a key; None when there is none. Reads through the caller's query."""
    return kubernetes_rule(db, key) if key.kind is Kind.HTTP_ROUTE else virtual_service_rule(db, key)


@query
def routing_rules(db: Database, gateway: str, namespace: str) -> tuple[RoutingRule, ...]:
    """The rules bound to ``mesh`` or to a gateway that proxies of a namespace see, in order of precedence."""
    rules = (routing_rule(db, key) for key in db.members(VIRTUAL_SERVICES_OF_GATEWAY, gateway))
    visible = (rule for rule in rules if rule is not None and is_exported(rule.export, namespace))
    return tuple(sorted(visible, key=lambda rule: rule.precedence(namespace)))


@query
def ruled_patterns(db: Database, hostname: str) -> tuple[str, ...]:
    """The hosts and patterns by which rules for sidecars name a host, most specific first."""
    partial = [pattern for pattern in db.members(PARTIAL_PATTERNS, MESH) if covers(pattern, hostname)]
    known = covering_patterns(hostname)
    patterns = sorted((*known, *partial), key=specificity) if partial else known
    return tuple(pattern for pattern in patterns if db.members(VIRTUAL_SERVICES, (MESH, pattern)))
