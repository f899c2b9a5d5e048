"""What outbound clusters allow at a time."""

from typing import Any

import pytest

from tests.unit.translator.clusters.cluster_kit import (
    UNLIMITED,
    thresholds,
    with_policy,
)


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        ("{tcp: {maxConnections: 5}}", {"max_connections": 5}),
        ("{tcp: {maxConnections: 0}}", {}),
        ("{http: {http1MaxPendingRequests: 6}}", {"max_pending_requests": 6}),
        ("{http: {http2MaxRequests: 7}}", {"max_requests": 7}),
        ("{http: {maxRetries: 8}}", {"max_retries": 8}),
    ],
)
def test_connection_pool_limits(pool: str, limits: dict[str, int]) -> None:
    found = thresholds(with_policy(f"{{connectionPool: {pool}}}"))
    unlimited = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
    assert found == {**unlimited, "track_remaining": True, **limits}


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("{}", {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}),
        ("{percent: 5, minRetryConcurrency: 9}", {"budget_percent": {"value": 5.0}, "min_retry_concurrency": 9}),
    ],
)
def test_case_26_retry_budget(budget: str, expected: dict[str, Any]) -> None:
    assert thresholds(with_policy(f"{{retryBudget: {budget}}}"))["retry_budget"] == expected
