"""What stands between a route and its action: preflight requests that are answered, and faults that are injected."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.type.v3 import percent_pb2

from translator.simulation.matching import matches_string
from translator.simulation.table import Route
from translator.simulation.traffic import Request

_CORS: Final = "envoy.filters.http.cors"
_FAULT: Final = "envoy.filters.http.fault"
ABORTED: Final = "a fault aborts it"
_DENOMINATORS: Final = {
    percent_pb2.FractionalPercent.HUNDRED: 100,
    percent_pb2.FractionalPercent.TEN_THOUSAND: 10_000,
    percent_pb2.FractionalPercent.MILLION: 1_000_000,
}


class Interference(NamedTuple):
    """One thing that may happen to a request before it is sent on. ``status`` None: it is not answered here."""

    share: float
    status: int | None = None
    delay: float = 0.0
    reason: str = ""


def interferences(manager: hcm.HttpConnectionManager, route: Route, request: Request) -> Iterator[Interference]:
    """All that may happen, with shares that add up to 1.

    Filters act in the order of the chain; settings of a route for a filter that is not there have no effect.
    """
    passing = [Interference(1.0)]
    for each in manager.http_filters:
        settings = route.typed_per_filter_config.get(each.name)
        if settings is None:
            continue
        branches = [
            branch._replace(share=before.share * branch.share, delay=before.delay + branch.delay)
            for before in passing
            for branch in _act(each.name, settings.value, request)
        ]
        yield from (branch for branch in branches if branch.status is not None)
        passing = [branch for branch in branches if branch.status is None]
    yield from passing


def _act(name: str, settings: bytes, request: Request) -> Iterator[Interference]:
    if name == _CORS and _is_answered(cors_pb2.CorsPolicy.FromString(settings), request):
        yield Interference(1.0, 200, reason="a preflight request is answered")
    elif name == _FAULT:
        yield from _faults(fault_pb2.HTTPFault.FromString(settings))
    else:
        yield Interference(1.0)


def share_of(fraction: percent_pb2.FractionalPercent) -> float:
    """A percentage as a number from 0 to 1."""
    return min(1.0, fraction.numerator / _DENOMINATORS[fraction.denominator])


def _is_answered(policy: cors_pb2.CorsPolicy, request: Request) -> bool:
    """Whether it is a preflight request that the filter answers itself."""
    origin = "".join(request.header("origin")[:1])
    if not origin or request.method != "OPTIONS" or not request.header("access-control-request-method"):
        return False
    # Envoy: what accepts the literal "*" accepts every origin.
    allowed = any(
        matches_string(each, "*") or matches_string(each, origin) for each in policy.allow_origin_string_match
    )
    forwards = not policy.HasField("forward_not_matching_preflights") or policy.forward_not_matching_preflights.value
    return allowed or not forwards


def _faults(fault: fault_pb2.HTTPFault) -> Iterator[Interference]:
    delayed = share_of(fault.delay.percentage) if fault.HasField("delay") else 0.0
    aborted = share_of(fault.abort.percentage) if fault.HasField("abort") else 0.0
    seconds = fault.delay.fixed_delay.ToTimedelta().total_seconds()
    for delay, share in ((seconds, delayed), (0.0, 1 - delayed)):
        reason = "a fault delays it" if delay else ""
        if share * aborted > 0:
            # Envoy: a gRPC status comes in trailers of a response 200, whether the caller speaks gRPC or not.
            yield Interference(share * aborted, fault.abort.http_status or 200, delay, ABORTED)
        if share * (1 - aborted) > 0:
            yield Interference(share * (1 - aborted), None, delay, reason)
