"""The routes of one routing rule in one context: selected, built and encoded, shared by all tables they occur in."""

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import MESH
from translator.model.destination_rule import policy_labels, policy_namespace
from translator.model.proxy import Labels
from translator.model.routing import routing_rule
from translator.model.routing_rule import RoutingRule, destinations
from translator.model.service import visible_service
from translator.objects.registry import ObjectKey
from translator.objects.virtual_service import HTTPRoute
from translator.routes.action import ActionDefaults
from translator.routes.context import RouteContext, source_label_names
from translator.routes.destination import find_target
from translator.routes.proxy_headers import read_proxy_headers
from translator.routes.route import RuleInputs, build_routes
from translator.routes.virtual_host import EncodedRoutes, encode_routes


def action_defaults(db: Database) -> ActionDefaults:
    """What the mesh settings say about every outbound route."""
    mesh = db.settings.mesh
    return ActionDefaults(
        retry=mesh.default_http_retry_policy,
        forwarded_host=read_proxy_headers(mesh.default_config).forwarded_host,
        shadow_host_suffix=db.settings.shadow_host_suffix,
    )


def counts_attempts(db: Database) -> bool:
    """Whether upstreams are told which attempt a request is."""
    return read_proxy_headers(db.settings.mesh.default_config).attempt_count


@query
def rule_inputs(db: Database, context: RouteContext, key: ObjectKey) -> RuleInputs | None:
    """What the routes of a rule are made of; None when none of its HTTP rules can apply in the context."""
    rule = routing_rule(db, key)
    http = tuple(context.select(rule.http)) if rule else ()
    if rule is None or not http:
        return None
    return RuleInputs(
        key=key,
        http=http,
        port=context.port,
        tls=context.tls,
        targets={
            destination: find_target(db, context, key.namespace, destination)
            for route in http
            for destination in destinations(route)
        },
        defaults=action_defaults(db),
        segments=rule.segments,
    )


@query
def rule_routes(db: Database, context: RouteContext, key: ObjectKey) -> EncodedRoutes:
    """The routes of a rule. Give only the labels that matter to it: ``narrow_context``."""
    inputs = rule_inputs(db, context, key)
    return encode_routes(build_routes(inputs)) if inputs else EncodedRoutes()


def narrow_context(db: Database, context: RouteContext, key: ObjectKey) -> RouteContext:
    """The context with only those labels by which the rule, or a policy of its destinations, selects.

    Mostly there are none, so that proxies with different labels share what the rule's routes are encoded to. And mostly
    it is the same for sidecars of all namespaces, who share it then.
    """
    rule = routing_rule(db, key) if context.labels or context.gateway == MESH else None
    if context.labels:
        context = msgspec.structs.replace(context, labels=_rule_labels(db, context, rule) if rule else ())
    if rule is None or context.gateway != MESH or not context.namespace or _has_own_policies(db, context, rule):
        return context
    common = msgspec.structs.replace(context, namespace="", labels=())
    return common if rule_inputs(db, common, key) == rule_inputs(db, context, key) else context


def _has_own_policies(db: Database, context: RouteContext, rule: RoutingRule) -> bool:
    """Whether the client's namespace has policies for destinations in others."""
    for host in dict.fromkeys(destination.host for route in rule.http for destination in destinations(route)):
        found = visible_service(db, context.namespace, host)
        if found is None or found.namespace == context.namespace:
            continue
        if policy_namespace(db, context.namespace, found.namespace, host):
            return True
    return False


@query
def rule_label_names(db: Database, key: ObjectKey) -> frozenset[str]:
    """The labels by which a rule selects proxies."""
    rule = routing_rule(db, key)
    return source_label_names(rule.http) if rule else frozenset()


def _rule_labels(db: Database, context: RouteContext, rule: RoutingRule) -> Labels:
    names = set(rule_label_names(db, rule.key))
    for host in {destination.host for route in rule.http for destination in destinations(route)}:
        names.update(name for name, _ in policy_labels(db, context.namespace, context.labels, host))
    return tuple(pair for pair in context.labels if pair[0] in names)


def has_routes(rules: tuple[HTTPRoute, ...], context: RouteContext) -> bool:
    """Whether any rule can apply in the context."""
    return next(context.select(rules), None) is not None
