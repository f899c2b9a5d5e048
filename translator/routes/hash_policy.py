"""Hash policies: what of a request decides which endpoint of a consistently hashed cluster gets it.

The ring itself is a setting of the cluster; without the route's hash policy the cluster would choose at random.
"""

from collections.abc import Iterator

from envoy.config.route.v3 import route_components_pb2

from translator import pb
from translator.model.destination_rule import DestinationPolicy, port_entry
from translator.objects.destination_rule import (
    ConsistentHashLB,
    CookieAttribute,
    HTTPCookie,
    LoadBalancerSettings,
    TrafficPolicy,
)

HashPolicy = route_components_pb2.RouteAction.HashPolicy


def consistent_hash(policy: DestinationPolicy | None, subset: str, port: int) -> ConsistentHashLB | None:
    """The hash setting for a destination; ``port`` 0: no entry for a single port can apply.

    Istio: the subset's before the host's, and of each the entry for the port before the general one.
    """
    if policy is None:
        return None
    part = policy.subset(subset) if subset else None
    for traffic in (part.traffic_policy if part else None, policy.traffic_policy):
        for balancer in _balancers(traffic, port):
            if balancer is not None and balancer.consistent_hash is not None:
                return balancer.consistent_hash
    return None


def build_hash_policy(setting: ConsistentHashLB) -> HashPolicy | None:
    """The hash policy for a setting; None when the setting does not say by what to hash."""
    if setting.http_header_name:
        return HashPolicy(header=HashPolicy.Header(header_name=setting.http_header_name))
    if setting.http_cookie is not None:
        return HashPolicy(cookie=_build_cookie(setting.http_cookie))
    if setting.use_source_ip:
        return HashPolicy(connection_properties=HashPolicy.ConnectionProperties(source_ip=True))
    if setting.http_query_parameter_name:
        return HashPolicy(query_parameter=HashPolicy.QueryParameter(name=setting.http_query_parameter_name))
    return None


def _balancers(traffic: TrafficPolicy | None, port: int) -> Iterator[LoadBalancerSettings | None]:
    if traffic is not None:
        entry = port_entry(traffic, port) if port else None
        if entry is not None:
            yield entry.load_balancer
        yield traffic.load_balancer


def _build_cookie(cookie: HTTPCookie) -> HashPolicy.Cookie:
    """Envoy makes the cookie itself only if there is a lifetime; zero is the lifetime of the browser's session."""
    built = HashPolicy.Cookie(name=cookie.name, path=cookie.path, attributes=map(_build_attribute, cookie.attributes))
    if cookie.ttl is not None:
        built.ttl.CopyFrom(pb.duration(cookie.ttl))
    return built


def _build_attribute(attribute: CookieAttribute) -> HashPolicy.CookieAttribute:
    return HashPolicy.CookieAttribute(name=attribute.name, value=attribute.value)
