"""Sending requests on: the cluster or clusters of a rule, with timeouts, rewrites, retries and mirrors."""

from collections.abc import Iterable, Mapping

import msgspec
from envoy.config.route.v3 import route_components_pb2

from translator import pb
from translator.objects.duration import Duration
from translator.objects.virtual_service import Destination, HTTPRetry, HTTPRoute, HTTPRouteDestination
from translator.routes.destination import Target
from translator.routes.hash_policy import build_hash_policy
from translator.routes.headers import mutate_headers, requested_host
from translator.routes.mirror import build_mirrors
from translator.routes.retry import build_retry


class ActionDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the mesh settings say about every outbound route."""

    retry: HTTPRetry | None = None
    forwarded_host: bool = False
    shadow_host_suffix: bool = False


def build_action(
    rule: HTTPRoute, targets: Mapping[Destination, Target], defaults: ActionDefaults
) -> route_components_pb2.RouteAction | None:
    """The action of a rule that sends requests on; None when no destination has a weight."""
    action = open_action(rule.timeout)
    entries = rule.route if len(rule.route) == 1 else tuple(entry for entry in rule.route if entry.weight > 0)
    if not entries:
        return None
    _rewrite(action, rule, defaults)
    chosen = [targets[entry.destination] for entry in entries]
    if len(rule.route) == 1:
        action.cluster = chosen[0].cluster
    else:
        rewritten = bool(action.host_rewrite_literal)
        action.weighted_clusters.clusters.extend(
            _build_weight(entry, targets[entry.destination].cluster, rewritten=rewritten) for entry in entries
        )
    add_hash_policies(action, chosen)
    only_hashed = len(rule.route) == 1 and bool(action.hash_policy)
    retry = build_retry(rule.retries or defaults.retry, hashed=only_hashed)
    if retry is not None:
        action.retry_policy.CopyFrom(retry)
    action.request_mirror_policies.extend(
        build_mirrors(rule, lambda destination: targets[destination].cluster, host_suffix=defaults.shadow_host_suffix)
    )
    return action


def open_action(timeout: Duration | None = None) -> route_components_pb2.RouteAction:
    """An action with only its timeouts, which are always written: Envoy's own default is 15 seconds.

    What gRPC clients ask for by ``grpc-timeout`` is heeded, within the limit. A route that has any
    ``max_stream_duration`` does not look at ``timeout`` any more, so where there is one the limit has to be the
    deprecated ``max_grpc_timeout``; elsewhere it is not, as a stock Envoy logs a warning for each that it sees.
    """
    if timeout is None:
        heeded = route_components_pb2.RouteAction.MaxStreamDuration(grpc_timeout_header_max=pb.seconds(0))
        return route_components_pb2.RouteAction(timeout=pb.seconds(0), max_stream_duration=heeded)
    limit = pb.duration(timeout)
    return route_components_pb2.RouteAction(timeout=limit, max_grpc_timeout=limit)


def add_hash_policies(action: route_components_pb2.RouteAction, targets: Iterable[Target]) -> None:
    """One hash policy for every target that is hashed."""
    for target in targets:
        policy = build_hash_policy(target.hashing) if target.hashing else None
        if policy is not None:
            action.hash_policy.append(policy)


def _rewrite(action: route_components_pb2.RouteAction, rule: HTTPRoute, defaults: ActionDefaults) -> None:
    """Path and authority. Istio: the rewrite's authority wins over the rule's headers, these over a destination's."""
    rewrite = rule.rewrite
    if rewrite is not None:
        if rewrite.uri_regex_rewrite is not None:
            action.regex_rewrite.pattern.regex = rewrite.uri_regex_rewrite.match
            action.regex_rewrite.substitution = rewrite.uri_regex_rewrite.rewrite
        elif rewrite.uri:
            action.prefix_rewrite = rewrite.uri
        action.append_x_forwarded_host = defaults.forwarded_host
    host = (rewrite.authority if rewrite else "") or requested_host(rule.headers)
    if not host and len(rule.route) == 1:
        host = requested_host(rule.route[0].headers)
    if host:
        action.host_rewrite_literal = host


def _build_weight(
    entry: HTTPRouteDestination, cluster: str, *, rewritten: bool
) -> route_components_pb2.WeightedCluster.ClusterWeight:
    """One of several destinations; its own authority counts only where the rule does not rewrite it already."""
    weight = route_components_pb2.WeightedCluster.ClusterWeight(name=cluster, weight=pb.uint32(entry.weight))
    mutate_headers(weight, entry.headers)
    host = "" if rewritten else requested_host(entry.headers)
    if host:
        weight.host_rewrite_literal = host
    return weight
