"""Rules for connection pools."""

from translator.objects.destination_rule import (
    ConnectionPoolSettings,
    H2UpgradePolicy,
    HTTPSettings,
    TcpKeepalive,
    TCPSettings,
)
from translator.validation.duration import check_duration, check_duration_or_zero
from translator.validation.report import Report


def check_connection_pool(report: Report, path: str, pool: ConnectionPoolSettings | None) -> None:
    """Rule: something is set, limits are not negative, durations are whole milliseconds."""
    if pool is None:
        return
    if pool.tcp is None and pool.http is None:
        report.error(path, "one of tcp and http must be set")
    if pool.tcp is not None:
        _check_tcp(report, f"{path}.tcp", pool.tcp)
    if pool.http is not None:
        _check_http(report, f"{path}.http", pool.http)


def check_tcp_keepalive(report: Report, path: str, keepalive: TcpKeepalive | None) -> None:
    """Rule: durations are whole milliseconds."""
    if keepalive is not None:
        check_duration(report, f"{path}.time", keepalive.time)
        check_duration(report, f"{path}.interval", keepalive.interval)


def _check_tcp(report: Report, path: str, tcp: TCPSettings) -> None:
    _check_limits(report, path, ("maxConnections", tcp.max_connections))
    check_duration(report, f"{path}.connectTimeout", tcp.connect_timeout)
    check_duration(report, f"{path}.maxConnectionDuration", tcp.max_connection_duration)
    check_duration_or_zero(report, f"{path}.idleTimeout", tcp.idle_timeout)
    check_tcp_keepalive(report, f"{path}.tcpKeepalive", tcp.tcp_keepalive)


def _check_http(report: Report, path: str, http: HTTPSettings) -> None:
    _check_limits(
        report,
        path,
        ("http1MaxPendingRequests", http.http1_max_pending_requests),
        ("http2MaxRequests", http.http2_max_requests),
        ("maxRequestsPerConnection", http.max_requests_per_connection),
        ("maxRetries", http.max_retries),
        ("maxConcurrentStreams", http.max_concurrent_streams),
    )
    check_duration(report, f"{path}.idleTimeout", http.idle_timeout)
    if http.h2_upgrade_policy is H2UpgradePolicy.UPGRADE and http.use_client_protocol:
        report.error(f"{path}.useClientProtocol", "cannot be combined with h2UpgradePolicy: UPGRADE")
    keepalive = http.http2_keep_alive
    if keepalive is None:
        return
    for field, duration in (("interval", keepalive.interval), ("timeout", keepalive.timeout)):
        if duration is None:
            report.error(f"{path}.http2KeepAlive.{field}", "required field is missing")
        check_duration(report, f"{path}.http2KeepAlive.{field}", duration)


def _check_limits(report: Report, path: str, *limits: tuple[str, int]) -> None:
    for field, limit in limits:
        if limit < 0:
            report.error(f"{path}.{field}", "must not be negative")
