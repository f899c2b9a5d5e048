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
_DENOMINATORS: Final = {
    percent_pb2.FractionalPercent.HUNDRED: 100,
    percent_pb2.FractionalPercent.TEN_THOUSAND: 10_000,
    percent_pb2.FractionalPercent.MILLION: 1_000_000,
}
# What a caller that speaks no gRPC gets instead of a gRPC status.
_HTTP_OF_GRPC: Final = {
    0: 200,
    1: 499,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    14: 503,
    16: 401,
}
_GRPC_CONTENT: Final = "application/grpc"


class Interference(NamedTuple):
    """One thing that may happen to a request before it is sent on. ``status`` None: it is not answered here."""

    share: float
    status: int | None = None
    delay: float = 0.0
    reason: str = ""


def interferences(manager: hcm.HttpConnectionManager, route: Route, request: Request) -> Iterator[Interference]:
    """All that may happen, with shares that add up to 1. Settings without their filter have no effect."""
    filters = {each.name for each in manager.http_filters}
    if _CORS in filters and _CORS in route.typed_per_filter_config:
        policy = cors_pb2.CorsPolicy.FromString(route.typed_per_filter_config[_CORS].value)
        if _is_answered(policy, request):
            yield Interference(1.0, 200, reason="a preflight request is answered")
            return
    if _FAULT in filters and _FAULT in route.typed_per_filter_config:
        yield from _faults(fault_pb2.HTTPFault.FromString(route.typed_per_filter_config[_FAULT].value), request)
    else:
        yield Interference(1.0)


def share_of(fraction: percent_pb2.FractionalPercent) -> float:
    """A percentage as a number from 0 to 1."""
    return min(1.0, fraction.numerator / _DENOMINATORS[fraction.denominator])


def _is_answered(policy: cors_pb2.CorsPolicy, request: Request) -> bool:
    """Whether it is a preflight request that the filter answers itself."""
    origin = request.header("origin")
    if origin is None or request.method != "OPTIONS" or not request.header("access-control-request-method"):
        return False
    allowed = any(each.exact == "*" or matches_string(each, origin) for each in policy.allow_origin_string_match)
    forwards = not policy.HasField("forward_not_matching_preflights") or policy.forward_not_matching_preflights.value
    return allowed or not forwards


def _faults(fault: fault_pb2.HTTPFault, request: Request) -> Iterator[Interference]:
    delayed = share_of(fault.delay.percentage) if fault.HasField("delay") else 0.0
    aborted = share_of(fault.abort.percentage) if fault.HasField("abort") else 0.0
    seconds = fault.delay.fixed_delay.ToTimedelta().total_seconds()
    for delay, share in ((seconds, delayed), (0.0, 1 - delayed)):
        reason = "a fault delays it" if delay else ""
        if share * aborted > 0:
            yield Interference(share * aborted, _abort_status(fault, request), delay, "a fault aborts it")
        if share * (1 - aborted) > 0:
            yield Interference(share * (1 - aborted), None, delay, reason)


def _abort_status(fault: fault_pb2.HTTPFault, request: Request) -> int:
    if not fault.abort.HasField("grpc_status"):
        return fault.abort.http_status
    is_grpc = (request.header("content-type") or "").startswith(_GRPC_CONTENT)
    return 200 if is_grpc else _HTTP_OF_GRPC.get(fault.abort.grpc_status, 500)
