"""Retry policies."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2

from translator import pb
from translator.objects.virtual_service import HTTPRetry

_DEFAULT_RETRY_ON: Final = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_DEFAULT_ATTEMPTS: Final = 2
_HOST_SELECTION_ATTEMPTS: Final = 5
_STATUS_CODES: Final = "retriable-status-codes"
_KNOWN_STATUSES: Final = frozenset(str(status.value) for status in HTTPStatus)


def build_retry(policy: HTTPRetry | None, *, hashed: bool = False) -> route_components_pb2.RetryPolicy | None:
    """The retry policy for a rule's or the mesh's settings; None turns retries off. No settings: Istio's default.

    ``hashed``: the destination is chosen by hash, so unless asked for a retry may go to the same host again.
    """
    if policy is None:
        return _build_default(other_hosts=not hashed)
    if policy.attempts <= 0:
        return None
    other_hosts = policy.retry_ignore_previous_hosts
    built = _build_default(other_hosts=not hashed if other_hosts is None else other_hosts)
    built.num_retries.value = policy.attempts
    if policy.retry_on:
        conditions, codes = _parse_conditions(policy.retry_on)
        built.retry_on = ",".join(conditions)
        built.retriable_status_codes.extend(codes)
    if policy.per_try_timeout is not None:
        built.per_try_timeout.CopyFrom(pb.duration(policy.per_try_timeout))
    if policy.retry_remote_localities:
        built.retry_priority.CopyFrom(_previous_priorities())
    if policy.backoff is not None:
        built.retry_back_off.base_interval.CopyFrom(pb.duration(policy.backoff))
    return built


def _build_default(*, other_hosts: bool) -> route_components_pb2.RetryPolicy:
    return route_components_pb2.RetryPolicy(
        retry_on=_DEFAULT_RETRY_ON,
        num_retries=pb.uint32(_DEFAULT_ATTEMPTS),
        retry_host_predicate=[_previous_hosts()] if other_hosts else (),
        host_selection_retry_max_attempts=_HOST_SELECTION_ATTEMPTS,
    )


def _previous_hosts() -> route_components_pb2.RetryPolicy.RetryHostPredicate:
    return route_components_pb2.RetryPolicy.RetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=pb.pack(previous_hosts_pb2.PreviousHostsPredicate()),
    )


def _previous_priorities() -> route_components_pb2.RetryPolicy.RetryPriority:
    """Every second attempt leaves the priorities, which here are localities, that were tried before."""
    return route_components_pb2.RetryPolicy.RetryPriority(
        name="envoy.retry_priorities.previous_priorities",
        typed_config=pb.pack(previous_priorities_config_pb2.PreviousPrioritiesConfig(update_frequency=2)),
    )


def _parse_conditions(text: str) -> tuple[Iterable[str], Iterable[int]]:
    """Split ``5xx,503`` into conditions and status codes; codes need a condition that switches them on."""
    words = [word for part in text.split(",") if (word := part.strip())]
    codes = [int(word) for word in words if word in _KNOWN_STATUSES]
    conditions = [word for word in words if word not in _KNOWN_STATUSES]
    if codes and _STATUS_CODES not in conditions:
        conditions.append(_STATUS_CODES)
    return conditions, codes
