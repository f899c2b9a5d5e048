"""Routes: the rules of one VirtualService as an ordered list of Envoy routes."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from envoy.config.route.v3 import route_components_pb2
from google.protobuf import any_pb2

from translator import pb
from translator.names import parse_outbound_cluster
from translator.objects.registry import Kind, ObjectKey
from translator.objects.virtual_service import Destination, HTTPMatchRequest, HTTPRoute
from translator.routes.action import ActionDefaults, build_action
from translator.routes.cors import CORS_FILTER, build_cors
from translator.routes.destination import Target
from translator.routes.fault import FAULT_FILTER, build_fault
from translator.routes.headers import mutate_headers
from translator.routes.match import build_match, describe_path, is_catch_all
from translator.routes.redirect import build_direct_response, build_redirect
from translator.routes.rewrite import mend_rewrite

_NOT_FOUND_500: Final = route_components_pb2.RouteAction.INTERNAL_SERVER_ERROR


class RuleInputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that the routes of a rule are made of. ``http`` holds what applies at ``port`` and nothing else.

    ``segments``: as with ``RoutingRule``.
    """

    key: ObjectKey
    http: tuple[HTTPRoute, ...]
    port: int
    tls: bool = False
    targets: dict[Destination, Target]
    defaults: ActionDefaults = ActionDefaults()
    segments: bool = False


def build_routes(inputs: RuleInputs) -> Iterator[route_components_pb2.Route]:
    """The routes of a rule, up to and including the first that catches every request."""
    for rule in inputs.http:
        for match in rule.match or (None,):
            route = _build_route(rule, match, inputs)
            if route is None:
                continue
            yield route
            if is_catch_all(route.match):
                return


def _build_route(
    rule: HTTPRoute, match: HTTPMatchRequest | None, inputs: RuleInputs
) -> route_components_pb2.Route | None:
    """One route; None when the rule has no action that Envoy would take: it refuses the table as a whole."""
    route = route_components_pb2.Route(name=_name(rule, match), match=build_match(match, segments=inputs.segments))
    if not _set_action(route, rule, inputs):
        return None
    mend_rewrite(route)
    if match is not None and match.stat_prefix:
        route.stat_prefix = match.stat_prefix
    if inputs.key.kind is Kind.VIRTUAL_SERVICE:
        path = f"/apis/networking.istio.io/v1/namespaces/{inputs.key.namespace}/virtual-service/{inputs.key.name}"
        route.metadata.filter_metadata["istio"].update({"config": path})
    route.decorator.operation = _operation(route, inputs)
    mutate_headers(route, rule.headers)
    if route.HasField("route") and len(rule.route) == 1:
        mutate_headers(route, rule.route[0].headers)
    _configure_filters(route.typed_per_filter_config, rule)
    return route


def _set_action(route: route_components_pb2.Route, rule: HTTPRoute, inputs: RuleInputs) -> bool:
    if rule.redirect is not None:
        redirect = build_redirect(rule.redirect, inputs.port, tls=inputs.tls)
        if redirect is not None:
            route.redirect.CopyFrom(redirect)
        return redirect is not None
    if rule.direct_response is not None:
        response = build_direct_response(rule.direct_response)
        if response is not None:
            route.direct_response.CopyFrom(response)
        return response is not None
    action = build_action(rule, inputs.targets, inputs.defaults)
    if action is not None:
        route.route.CopyFrom(action)
        if inputs.segments:
            route.route.cluster_not_found_response_code = _NOT_FOUND_500
    return action is not None


def _name(rule: HTTPRoute, match: HTTPMatchRequest | None) -> str:
    return f"{rule.name}.{match.name}" if match is not None and match.name else rule.name


def _operation(route: route_components_pb2.Route, inputs: RuleInputs) -> str:
    """The name of the span: the only cluster's host and port, else the rule's name and the port."""
    cluster = parse_outbound_cluster(route.route.cluster)
    owner = f"{cluster.host}:{cluster.port}" if cluster else f"{inputs.key.name}:{inputs.port}"
    return owner + describe_path(route.match)


def _configure_filters(configs: Mapping[str, any_pb2.Any], rule: HTTPRoute) -> None:
    fault = build_fault(rule.fault) if rule.fault else None
    if fault is not None:
        configs[FAULT_FILTER].CopyFrom(pb.pack(fault))
    if rule.cors_policy is not None:
        configs[CORS_FILTER].CopyFrom(pb.pack(build_cors(rule.cors_policy)))
