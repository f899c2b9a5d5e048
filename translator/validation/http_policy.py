"""Rules for policies of an HTTP rule: retries, faults, CORS, mirroring."""

from http import HTTPStatus
from typing import Final

from translator.objects.virtual_service import (
    CorsPolicy,
    FaultAbort,
    FaultDelay,
    HTTPFaultInjection,
    HTTPRetry,
    HTTPRoute,
)
from translator.validation.destination import check_destination
from translator.validation.duration import check_duration
from translator.validation.header import header_name_fault
from translator.validation.http_action import status_fault
from translator.validation.percent import check_fine_percent, check_percent, check_whole_percent
from translator.validation.report import Report, count_set, indexed
from translator.validation.string_match import check_origin_match

_RETRY_CONDITIONS: Final = frozenset(
    {
        "5xx",
        "cancelled",
        "connect-failure",
        "deadline-exceeded",
        "envoy-ratelimited",
        "gateway-error",
        "http3-post-connect-failure",
        "internal",
        "refused-stream",
        "reset",
        "reset-before-request",
        "resource-exhausted",
        "retriable-4xx",
        "retriable-headers",
        "retriable-status-codes",
        "unavailable",
    }
)
_STATUS_CODES: Final = frozenset(str(status.value) for status in HTTPStatus)
GRPC_STATUS_CODES: Final = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
_CORS_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"})
_SECOND: Final = 1_000_000_000


def check_retries(report: Report, path: str, retries: HTTPRetry | None) -> None:
    """Rule: conditions that Envoy knows; nothing but ``attempts`` where retries are off."""
    if retries is None:
        return
    if retries.attempts < 0:
        report.error(f"{path}.attempts", "must not be negative")
    settings = (retries.per_try_timeout, retries.retry_on, retries.retry_remote_localities)
    if retries.attempts == 0 and count_set(*settings):
        report.error(
            path, "attempts is 0 (no retries), so perTryTimeout, retryOn and retryRemoteLocalities have no place"
        )
    check_duration(report, f"{path}.perTryTimeout", retries.per_try_timeout)
    check_duration(report, f"{path}.backoff", retries.backoff)
    for condition in retries.retry_on.split(",") if retries.retry_on else ():
        if condition not in _RETRY_CONDITIONS and condition not in _STATUS_CODES:
            spaces = " (spaces are not allowed)" if condition != condition.strip() else ""
            report.error(f"{path}.retryOn", f"unknown condition {condition!r}{spaces}")


def check_fault(report: Report, path: str, fault: HTTPFaultInjection | None) -> None:
    """Rule: a delay, an abort or both, in the forms that Envoy has."""
    if fault is None:
        return
    if fault.delay is None and fault.abort is None:
        report.error(path, "one of delay and abort must be set")
    if fault.delay is not None:
        _check_delay(report, f"{path}.delay", fault.delay)
    if fault.abort is not None:
        _check_abort(report, f"{path}.abort", fault.abort)


def _check_delay(report: Report, path: str, delay: FaultDelay) -> None:
    check_fine_percent(report, f"{path}.percentage", delay.percentage)
    check_whole_percent(report, f"{path}.percent", delay.percent)
    check_duration(report, f"{path}.fixedDelay", delay.fixed_delay)
    if delay.exponential_delay is not None:
        report.error(f"{path}.exponentialDelay", "is not supported; use fixedDelay")
    elif delay.fixed_delay is None:
        report.warn(path, "has no effect without fixedDelay")
    if delay.percent:
        report.warn(f"{path}.percent", "is deprecated; use percentage")


def _check_abort(report: Report, path: str, abort: FaultAbort) -> None:
    check_fine_percent(report, f"{path}.percentage", abort.percentage)
    if abort.http_status is not None:
        report.require(f"{path}.httpStatus", status_fault(abort.http_status))
    if abort.grpc_status is not None and abort.grpc_status not in GRPC_STATUS_CODES:
        report.error(f"{path}.grpcStatus", f"unknown gRPC status {abort.grpc_status!r}")
    if abort.http2_error is not None:
        report.error(f"{path}.http2Error", "is not supported; use httpStatus or grpcStatus")
    given = sum(value is not None for value in (abort.http_status, abort.grpc_status, abort.http2_error))
    if given > 1:
        report.error(path, "only one of httpStatus, grpcStatus and http2Error can be set")
    if given == 0:
        report.warn(path, "has no effect without httpStatus or grpcStatus")


def check_cors(report: Report, path: str, cors: CorsPolicy | None) -> None:
    """Rule: every origin has a value; methods and header names exist; ``maxAge`` counts seconds."""
    if cors is None:
        return
    for entry, origin in indexed(f"{path}.allowOrigins", cors.allow_origins):
        check_origin_match(report, entry, origin)
    if cors.allow_origin:
        report.warn(f"{path}.allowOrigin", "is deprecated; use allowOrigins")
    for entry, method in indexed(f"{path}.allowMethods", cors.allow_methods):
        if method not in _CORS_METHODS:
            report.error(entry, f"unknown method {method!r}")
    for field, names in (("allowHeaders", cors.allow_headers), ("exposeHeaders", cors.expose_headers)):
        for entry, name in indexed(f"{path}.{field}", names):
            report.require(entry, "" if name == "*" else header_name_fault(name))
    check_duration(report, f"{path}.maxAge", cors.max_age)
    if cors.max_age is not None and cors.max_age % _SECOND:
        report.error(f"{path}.maxAge", f"{cors.max_age} is not a whole number of seconds")


def check_mirrors(report: Report, path: str, http: HTTPRoute) -> None:
    """Rule: ``mirror`` or ``mirrors``, shares of 0 to 100."""
    if http.mirror is not None and http.mirrors:
        report.error(path, "only one of mirror and mirrors can be set")
    check_destination(report, f"{path}.mirror", http.mirror)
    for entry, mirror in indexed(f"{path}.mirrors", http.mirrors):
        check_destination(report, f"{entry}.destination", mirror.destination)
        check_percent(report, f"{entry}.percentage", mirror.percentage)
    check_percent(report, f"{path}.mirrorPercentage", http.mirror_percentage)
    if http.mirror_percent is not None:
        check_whole_percent(report, f"{path}.mirrorPercent", http.mirror_percent)
        report.warn(f"{path}.mirrorPercent", "is deprecated; use mirrorPercentage")
