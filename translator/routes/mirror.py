"""Mirroring: copies of requests that go to other clusters, whose answers nobody waits for."""

from collections.abc import Callable, Iterator

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.type.v3 import percent_pb2

from translator import pb
from translator.objects.virtual_service import Destination, HTTPRoute
from translator.routes.fraction import of_hundred, of_percent

MirrorPolicy = route_components_pb2.RouteAction.RequestMirrorPolicy


def build_mirrors(
    rule: HTTPRoute, cluster_of: Callable[[Destination], str], *, host_suffix: bool = False
) -> Iterator[MirrorPolicy]:
    """The mirror policies of a rule; a share of zero is no mirror at all.

    ``host_suffix``: Envoy appends ``-shadow`` to the Host of the copies.
    """
    shares = [(mirror.destination, mirror.percentage.value if mirror.percentage else None) for mirror in rule.mirrors]
    if rule.mirror is not None:
        fraction = _share_of_first(rule)
        if fraction.numerator:
            yield _build_mirror(cluster_of(rule.mirror), fraction, host_suffix=host_suffix)
    for destination, percentage in shares:
        fraction = of_hundred(100) if percentage is None else of_percent(percentage)
        if fraction.numerator:
            yield _build_mirror(cluster_of(destination), fraction, host_suffix=host_suffix)


def _share_of_first(rule: HTTPRoute) -> percent_pb2.FractionalPercent:
    """Of ``mirror``: ``mirrorPercentage`` wins over the deprecated ``mirrorPercent``; neither means every request."""
    if rule.mirror_percentage is not None:
        return of_percent(rule.mirror_percentage.value)
    return of_hundred(100 if rule.mirror_percent is None else rule.mirror_percent)


def _build_mirror(cluster: str, fraction: percent_pb2.FractionalPercent, *, host_suffix: bool) -> MirrorPolicy:
    """The copy is not sampled for traces a second time."""
    return MirrorPolicy(
        cluster=cluster,
        runtime_fraction=base_pb2.RuntimeFractionalPercent(default_value=fraction),
        trace_sampled=pb.boolean(False),  # noqa: FBT003 - a protobuf wrapper
        disable_shadow_host_suffix_append=not host_suffix,
    )
