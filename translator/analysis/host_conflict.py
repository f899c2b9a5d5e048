"""Several VirtualServices for one host of the mesh, of which sidecars follow one only."""

from collections.abc import Iterator

from translator.analysis.codes import CONFLICTING_HOSTS
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.indexes import MESH, VIRTUAL_SERVICES
from translator.model.export import PUBLIC, Export
from translator.model.routing import routing_rule
from translator.model.routing_rule import RoutingRule
from translator.objects.registry import key_of
from translator.objects.virtual_service import VirtualService


def analyze_host_conflicts(db: Database, source: VirtualService) -> Iterator[Diagnostic]:
    """Find hosts for which another VirtualService is followed instead of this one. Gateways merge them."""
    key = key_of(source)
    rule = routing_rule(db, key)
    if rule is None or MESH not in rule.gateways:
        return
    for index, host in enumerate(rule.hosts):
        others = (
            routing_rule(db, each)
            for each in db.members(VIRTUAL_SERVICES, (MESH, host))
            if each != key and each.kind is key.kind
        )
        rivals = [other for other in others if other is not None and _meet(rule, other)]
        winner = min([rule, *rivals], key=lambda each: each.precedence(key.namespace))
        if winner is not rule:
            reason = f"has no effect on {host} in the mesh: {winner.key} is for the same host and comes first"
            yield Diagnostic(Severity.ERROR, CONFLICTING_HOSTS, key, f"spec.hosts[{index}]", reason)


def _meet(one: RoutingRule, other: RoutingRule) -> bool:
    """Whether some namespace sees both."""
    return _overlap(one.export, other.export)


def _overlap(one: Export, other: Export) -> bool:
    if not one or not other:
        return False
    return PUBLIC in (one, other) or not set(one).isdisjoint(other)
