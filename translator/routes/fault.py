"""Fault injection: per-route settings of the fault filter."""

from typing import Final

from envoy.extensions.filters.common.fault.v3 import fault_pb2 as common_fault_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2

from translator import pb
from translator.objects.virtual_service import FaultAbort, FaultDelay, HTTPFaultInjection
from translator.routes.fraction import of_hundred, of_percent

FAULT_FILTER: Final = "envoy.filters.http.fault"

_GRPC_STATUSES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
_GRPC_CODES: Final = {name: code for code, name in enumerate(_GRPC_STATUSES)}


def build_fault(fault: HTTPFaultInjection) -> fault_pb2.HTTPFault | None:
    """The faults of a rule; None when there is nothing that Envoy could inject."""
    delay = _build_delay(fault.delay) if fault.delay else None
    abort = _build_abort(fault.abort) if fault.abort else None
    if delay is None and abort is None:
        return None
    return fault_pb2.HTTPFault(delay=delay, abort=abort)


def _build_delay(delay: FaultDelay) -> common_fault_pb2.FaultDelay | None:
    """Istio: without any percentage a delay never happens; exponential delays are not supported."""
    if delay.fixed_delay is None:
        return None
    share = of_percent(delay.percentage.value) if delay.percentage else of_hundred(delay.percent)
    return common_fault_pb2.FaultDelay(fixed_delay=pb.duration(delay.fixed_delay), percentage=share)


def _build_abort(abort: FaultAbort) -> fault_pb2.FaultAbort | None:
    share = of_percent(abort.percentage.value) if abort.percentage else None
    if abort.http_status is not None:
        return fault_pb2.FaultAbort(http_status=abort.http_status, percentage=share)
    code = _GRPC_CODES.get(abort.grpc_status or "")
    if code is None:
        return None
    return fault_pb2.FaultAbort(grpc_status=code, percentage=share)
