"""Rules for MeshConfig."""

from typing import Final

from translator.diagnostics import Violation
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig
from translator.validation.client_tls import check_client_tls
from translator.validation.connection_pool import check_connection_pool, check_tcp_keepalive
from translator.validation.duration import check_duration, check_duration_or_zero
from translator.validation.hostname import fqdn_fault, is_dns_label, wildcard_domain_fault
from translator.validation.http_policy import check_retries
from translator.validation.locality import check_locality_setting, check_zone_aware_setting
from translator.validation.port import port_fault
from translator.validation.report import Report, indexed
from translator.validation.traffic_policy import check_outlier_detection

_LONGEST_CONNECT_TIMEOUT: Final = Duration.of(seconds=3600)


def validate_mesh_config(config: MeshConfig) -> tuple[Violation, ...]:
    """Check the settings of the mesh."""
    report = Report()
    _check_ports(report, config)
    _check_durations(report, config)
    _check_identity(report, config)
    check_tcp_keepalive(report, "tcpKeepalive", config.tcp_keepalive)
    check_retries(report, "defaultHttpRetryPolicy", config.default_http_retry_policy)
    check_locality_setting(report, "localityLbSetting", config.locality_lb_setting)
    check_zone_aware_setting(report, "zoneAwareLbSetting", config.zone_aware_lb_setting)
    check_client_tls(report, "outboundTrafficPolicy.tls", config.outbound_traffic_policy.tls, config.root_namespace)
    for path, settings in indexed("serviceSettings", config.service_settings):
        for entry, host in indexed(f"{path}.hosts", settings.hosts):
            report.require(entry, "" if host == "*" else wildcard_domain_fault(host))
    if config.default_traffic_policy is not None:
        policy = config.default_traffic_policy
        check_connection_pool(report, "defaultTrafficPolicy.connectionPool", policy.connection_pool)
        check_outlier_detection(report, "defaultTrafficPolicy.outlierDetection", policy.outlier_detection)
    if config.mesh_mtls is not None and config.mesh_mtls.ecdh_curves:
        report.error("meshMTLS.ecdhCurves", "is not supported")
    return report.violations


def _check_ports(report: Report, config: MeshConfig) -> None:
    report.require("proxyListenPort", port_fault(config.proxy_listen_port))
    report.require("proxyInboundListenPort", port_fault(config.proxy_inbound_listen_port))
    if config.proxy_http_port:
        report.require("proxyHttpPort", port_fault(config.proxy_http_port))


def _check_durations(report: Report, config: MeshConfig) -> None:
    check_duration(report, "connectTimeout", config.connect_timeout)
    if config.connect_timeout > _LONGEST_CONNECT_TIMEOUT:
        report.error("connectTimeout", f"{config.connect_timeout} is longer than an hour")
    check_duration_or_zero(report, "protocolDetectionTimeout", config.protocol_detection_timeout)
    check_duration(report, "dnsRefreshRate", config.dns_refresh_rate)


def _check_identity(report: Report, config: MeshConfig) -> None:
    report.require("trustDomain", fqdn_fault(config.trust_domain))
    for path, alias in indexed("trustDomainAliases", config.trust_domain_aliases):
        report.require(path, fqdn_fault(alias))
    if not is_dns_label(config.root_namespace):
        report.error("rootNamespace", f"{config.root_namespace!r} is not the name of a namespace")
