"""Rules for traffic policies."""

from translator.objects.destination_rule import (
    OutlierDetection,
    PortTrafficPolicy,
    RetryBudget,
    TrafficPolicy,
    TunnelSettings,
)
from translator.validation.client_tls import check_client_tls
from translator.validation.connection_pool import check_connection_pool
from translator.validation.destination import check_port_selector
from translator.validation.duration import check_duration
from translator.validation.hostname import address_fault
from translator.validation.load_balancer import check_load_balancer
from translator.validation.percent import check_whole_percent
from translator.validation.port import port_fault
from translator.validation.report import Report, count_set, indexed


def check_traffic_policy(report: Report, path: str, policy: TrafficPolicy | None, namespace: str) -> None:
    """Rule: a policy says something; ``namespace`` is that of the object."""
    if policy is None:
        return
    if policy == TrafficPolicy():
        report.error(path, "at least one field must be set")
    if policy.tunnel is not None and policy.proxy_protocol is not None:
        report.error(path, "only one of tunnel and proxyProtocol can be set")
    _check_common(report, path, policy, namespace)
    for entry, port_policy in indexed(f"{path}.portLevelSettings", policy.port_level_settings):
        _check_port_policy(report, entry, port_policy, namespace)
    _check_tunnel(report, f"{path}.tunnel", policy.tunnel)
    _check_retry_budget(report, f"{path}.retryBudget", policy.retry_budget)


def check_outlier_detection(report: Report, path: str, outlier: OutlierDetection | None) -> None:
    """Rule: shares of 0 to 100, whole milliseconds; local failures count only if they are told apart."""
    if outlier is None:
        return
    check_duration(report, f"{path}.interval", outlier.interval)
    check_duration(report, f"{path}.baseEjectionTime", outlier.base_ejection_time)
    check_whole_percent(report, f"{path}.maxEjectionPercent", outlier.max_ejection_percent)
    check_whole_percent(report, f"{path}.minHealthPercent", outlier.min_health_percent)
    if outlier.consecutive_errors:
        report.warn(f"{path}.consecutiveErrors", "has no effect; use consecutiveGatewayErrors or consecutive5xxErrors")
    if outlier.consecutive_local_origin_failures and not outlier.split_external_local_origin_errors:
        report.error(f"{path}.consecutiveLocalOriginFailures", "needs splitExternalLocalOriginErrors: true")
    for entry, code in indexed(f"{path}.outlierDetectionHttpErrorCodes", outlier.outlier_detection_http_error_codes):
        if not 100 <= code <= 599:
            report.error(entry, f"status {code} is not in the range 100..599")


def _check_common(report: Report, path: str, policy: TrafficPolicy | PortTrafficPolicy, namespace: str) -> None:
    check_load_balancer(report, f"{path}.loadBalancer", policy.load_balancer, policy.outlier_detection)
    check_connection_pool(report, f"{path}.connectionPool", policy.connection_pool)
    check_outlier_detection(report, f"{path}.outlierDetection", policy.outlier_detection)
    check_client_tls(report, f"{path}.tls", policy.tls, namespace)


def _check_port_policy(report: Report, path: str, policy: PortTrafficPolicy, namespace: str) -> None:
    if policy.port is None:
        report.error(f"{path}.port", "required field is missing")
    check_port_selector(report, f"{path}.port", policy.port)
    if not count_set(policy.load_balancer, policy.connection_pool, policy.outlier_detection, policy.tls):
        report.error(path, "one of loadBalancer, connectionPool, outlierDetection and tls must be set")
    _check_common(report, path, policy, namespace)


def _check_tunnel(report: Report, path: str, tunnel: TunnelSettings | None) -> None:
    if tunnel is None:
        return
    if tunnel.protocol not in ("", "CONNECT", "POST"):
        report.error(f"{path}.protocol", f"{tunnel.protocol!r} is neither CONNECT nor POST")
    report.require(f"{path}.targetHost", address_fault(tunnel.target_host))
    report.require(f"{path}.targetPort", port_fault(tunnel.target_port))


def _check_retry_budget(report: Report, path: str, budget: RetryBudget | None) -> None:
    if budget is None:
        return
    if budget.percent is not None and not 0 <= budget.percent <= 100:
        report.error(f"{path}.percent", f"{budget.percent} is not in the range 0..100")
    check_duration(report, f"{path}.budgetInterval", budget.budget_interval)
