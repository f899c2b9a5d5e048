"""Outlier detection: which failures eject an endpoint, and for how long."""

from collections.abc import Iterable

from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from envoy.config.common.matcher.v3.matcher_pb2 import HttpHeadersMatch, MatchPredicate

from translator.objects import destination_rule as objects
from translator.pb import duration, uint32


def build_outlier_detection(settings: objects.OutlierDetection) -> OutlierDetection:
    """The message. Istio: success rates are never looked at; a count of 0 turns a check off.

    Envoy's defaults hold for counts that are unset: 5 consecutive server errors eject, gateway errors do not.
    """
    message = OutlierDetection(enforcing_success_rate=uint32(0))
    if settings.consecutive_5xx_errors is not None:
        message.consecutive_5xx.value = settings.consecutive_5xx_errors
        message.enforcing_consecutive_5xx.value = 100 if settings.consecutive_5xx_errors else 0
    if settings.consecutive_gateway_errors is not None:
        message.consecutive_gateway_failure.value = settings.consecutive_gateway_errors
        message.enforcing_consecutive_gateway_failure.value = 100 if settings.consecutive_gateway_errors else 0
    if settings.interval is not None:
        message.interval.CopyFrom(duration(settings.interval))
    if settings.base_ejection_time is not None:
        message.base_ejection_time.CopyFrom(duration(settings.base_ejection_time))
    if settings.max_ejection_percent > 0:
        message.max_ejection_percent.value = settings.max_ejection_percent
    if settings.split_external_local_origin_errors:
        _split_local_origin(message, settings.consecutive_local_origin_failures or 0)
    return message


def build_error_matcher(codes: Iterable[int]) -> MatchPredicate | None:
    """Which responses count as errors; None leaves that to Envoy (server errors)."""
    rules = [_status_is(code) for code in codes]
    if len(rules) > 1:
        return MatchPredicate(or_match=MatchPredicate.MatchSet(rules=rules))
    return rules[0] if rules else None


def _split_local_origin(message: OutlierDetection, failures: int) -> None:
    message.split_external_local_origin_errors = True
    message.enforcing_local_origin_success_rate.value = 0
    if failures:
        message.consecutive_local_origin_failure.value = failures
        message.enforcing_consecutive_local_origin_failure.value = 100


def _status_is(code: int) -> MatchPredicate:
    match = HttpHeadersMatch()
    header = match.headers.add(name=":status")
    header.string_match.exact = str(code)
    return MatchPredicate(http_response_headers_match=match)
