"""Circuit breakers: how much may be under way to a cluster at once."""

from typing import Final

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers

from translator.objects.destination_rule import ConnectionPoolSettings, HTTPSettings, RetryBudget, TCPSettings
from translator.pb import uint32

# Istio: no limit. It has to be written out, because Envoy's own defaults are low (1024, and 3 retries).
_UNLIMITED: Final = 2**32 - 1

_DEFAULT_RETRY_PERCENT: Final = 20.0
_DEFAULT_RETRY_CONCURRENCY: Final = 3


def build_circuit_breakers(
    pool: ConnectionPoolSettings | None = None, budget: RetryBudget | None = None
) -> CircuitBreakers:
    """The limits of default priority; a limit of 0 means none, like one that is unset."""
    tcp = (pool.tcp if pool else None) or TCPSettings()
    http = (pool.http if pool else None) or HTTPSettings()
    thresholds = CircuitBreakers.Thresholds(
        max_connections=uint32(tcp.max_connections or _UNLIMITED),
        max_pending_requests=uint32(http.http1_max_pending_requests or _UNLIMITED),
        max_requests=uint32(http.http2_max_requests or _UNLIMITED),
        max_retries=uint32(http.max_retries or _UNLIMITED),
        track_remaining=True,
    )
    if budget is not None:
        percent = _DEFAULT_RETRY_PERCENT if budget.percent is None else budget.percent
        thresholds.retry_budget.budget_percent.value = percent
        thresholds.retry_budget.min_retry_concurrency.value = budget.min_retry_concurrency or _DEFAULT_RETRY_CONCURRENCY
    return CircuitBreakers(thresholds=[thresholds])
