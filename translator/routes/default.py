"""Routes that no VirtualService asks for: to a service as it is, and for hosts that nobody knows."""

from typing import Final

import msgspec
from envoy.config.route.v3 import route_components_pb2, route_pb2

from translator.database import Database
from translator.engine import query
from translator.model.destination_rule import effective_policy
from translator.model.proxy import Labels
from translator.model.scope import ScopeKey, TrafficPolicy, outbound_traffic_policy
from translator.names import DYNAMIC_DNS_CLUSTER, PASSTHROUGH_CLUSTER, outbound_cluster
from translator.objects.sidecar import OutboundTrafficMode
from translator.pb import boolean
from translator.routes.action import ActionDefaults, add_hash_policies, open_action
from translator.routes.destination import Target
from translator.routes.hash_policy import consistent_hash
from translator.routes.retry import build_retry
from translator.routes.rule import action_defaults, counts_attempts
from translator.routes.virtual_host import EncodedRoutes, encode_head, encode_routes, encode_tail

_ANY_PATH: Final = route_components_pb2.RouteMatch(prefix="/")


class DefaultInputs(msgspec.Struct, frozen=True):
    """What the default route of a service port is made of."""

    hostname: str
    port: int
    target: Target
    defaults: ActionDefaults


class UnknownHosts(msgspec.Struct, frozen=True):
    """The encoded virtual host for requests to hosts that nobody knows, and the clusters it sends to."""

    virtual_host: bytes
    clusters: tuple[str, ...] = ()


@query
def default_routes(
    db: Database, client_namespace: str, labels: Labels, service: tuple[str, str], port: int
) -> EncodedRoutes:
    """The route to a service port; ``service`` is namespace and hostname.

    ``client_namespace`` and ``labels``: see ``policy_namespace`` and ``policy_labels``.
    """
    namespace, hostname = service
    policy = effective_policy(db, client_namespace, labels, namespace, hostname)
    target = Target(outbound_cluster(port, "", hostname), consistent_hash(policy, "", port))
    return encode_routes([build_default_route(DefaultInputs(hostname, port, target, action_defaults(db)))])


def build_default_route(inputs: DefaultInputs) -> route_components_pb2.Route:
    """Everything to the service. Unlike the routes of rules, hashed requests are retried on other hosts."""
    action = open_action()
    action.cluster = inputs.target.cluster
    retry = build_retry(inputs.defaults.retry)
    if retry is not None:
        action.retry_policy.CopyFrom(retry)
    add_hash_policies(action, (inputs.target,))
    route = route_components_pb2.Route(name="default", match=_ANY_PATH, route=action)
    route.decorator.operation = f"{inputs.hostname}:{inputs.port}/*"
    return route


@query
def unknown_hosts(db: Database, scope: ScopeKey) -> UnknownHosts:
    """What sidecars of a scope do with requests to unknown hosts."""
    route = build_unknown_route(outbound_traffic_policy(db, scope))
    routes = encode_routes([route])
    encoded = encode_head(route.name, ("*",)) + routes.body + encode_tail(attempt_count=counts_attempts(db))
    return UnknownHosts(encoded, routes.clusters)


def build_unknown_route(policy: TrafficPolicy) -> route_components_pb2.Route:
    """Pass requests on to where the client meant to connect, or refuse them."""
    if policy.mode is OutboundTrafficMode.REGISTRY_ONLY:
        refusal = route_components_pb2.DirectResponseAction(status=502)
        return route_components_pb2.Route(name="block_all", match=_ANY_PATH, direct_response=refusal)
    action, name, proxy = open_action(), "allow_any", policy.egress_proxy
    if policy.mode is OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS:
        name, action.cluster = "allow_any_dynamic_dns", DYNAMIC_DNS_CLUSTER
    elif proxy is not None:
        action.cluster = outbound_cluster(proxy.port.number if proxy.port else 0, proxy.subset, proxy.host)
    else:
        action.cluster = PASSTHROUGH_CLUSTER
    return route_components_pb2.Route(name=name, match=_ANY_PATH, route=action)


def build_unknown_table(policy: TrafficPolicy) -> route_pb2.RouteConfiguration:
    """The inline table of a listener that knows no hosts at all."""
    route = build_unknown_route(policy)
    host = route_components_pb2.VirtualHost(name=route.name, domains=["*"], routes=[route])
    return route_pb2.RouteConfiguration(
        name=route.name,
        virtual_hosts=[host],
        validate_clusters=boolean(False),  # noqa: FBT003 - a wrapped value
    )
