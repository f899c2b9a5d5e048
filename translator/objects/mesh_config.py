"""MeshConfig: settings of the whole mesh, with Istio's defaults.

Overlay: a top-level field that the user gives replaces the default as a whole.
"""

import enum

import msgspec

from translator.objects.destination_rule import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    LocalityLoadBalancerSetting,
    OutlierDetection,
    TcpKeepalive,
    ZoneAwareLoadBalancerSetting,
)
from translator.objects.duration import Duration
from translator.objects.meta import Int32, LabelSelector, Message
from translator.objects.sidecar import OutboundTrafficMode
from translator.objects.virtual_service import HTTPRetry


class IngressControllerMode(enum.StrEnum):
    """Which Ingress objects are translated."""

    UNSPECIFIED = "UNSPECIFIED"
    OFF = "OFF"
    DEFAULT = "DEFAULT"
    STRICT = "STRICT"


class AccessLogEncoding(enum.StrEnum):
    """Form of an access log line."""

    TEXT = "TEXT"
    JSON = "JSON"


class MeshOutboundTrafficPolicy(Message, frozen=True, kw_only=True):
    """Policy for unknown destinations; an empty block means REGISTRY_ONLY, an absent one ALLOW_ANY."""

    mode: OutboundTrafficMode = OutboundTrafficMode.REGISTRY_ONLY
    tls: ClientTLSSettings | None = None


class InboundTrafficMode(enum.StrEnum):
    """Where a sidecar delivers traffic."""

    PASSTHROUGH = "PASSTHROUGH"
    LOCALHOST = "LOCALHOST"


class InboundTrafficPolicy(Message, frozen=True, kw_only=True):
    """Policy for traffic to the workload."""

    mode: InboundTrafficMode = InboundTrafficMode.PASSTHROUGH


class MeshH2UpgradePolicy(enum.StrEnum):
    """Whether HTTP/1.1 connections between sidecars become HTTP/2."""

    DO_NOT_UPGRADE = "DO_NOT_UPGRADE"
    UPGRADE = "UPGRADE"


class ConfigSource(Message, frozen=True, kw_only=True):
    """Where configuration is read from."""

    address: str = ""
    tls_settings: ClientTLSSettings | None = None
    subscribed_resources: tuple[str, ...] = ()


class CertificateData(Message, frozen=True, kw_only=True):
    """A further root of trust."""

    pem: str | None = None
    spiffe_bundle_url: str | None = None
    cert_signers: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()


class CertificateRequest(Message, frozen=True, kw_only=True):
    """A certificate for the control plane (deprecated)."""

    secret_name: str = ""
    dns_names: tuple[str, ...] = ()


class CertificateAuthority(Message, frozen=True, kw_only=True):
    """An external certificate authority."""

    address: str = ""
    tls_settings: ClientTLSSettings | None = None
    request_timeout: Duration | None = None
    istiod_side: bool = False


class ServiceSettingsBody(Message, frozen=True, kw_only=True):
    """What is set for some hosts."""

    cluster_local: bool = False


class ServiceSettings(Message, frozen=True, kw_only=True):
    """Settings by host."""

    settings: ServiceSettingsBody | None = None
    hosts: tuple[str, ...] = ()


class ServiceScope(enum.StrEnum):
    """Whether a service is reachable from other clusters."""

    LOCAL = "LOCAL"
    GLOBAL = "GLOBAL"


class ServiceScopeConfig(Message, frozen=True, kw_only=True):
    """Scope of the services that the selectors choose."""

    namespace_selector: LabelSelector | None = None
    services_selector: LabelSelector | None = None
    scope: ServiceScope = ServiceScope.LOCAL


class Visibility(enum.StrEnum):
    """How far a ServiceEntry may be seen."""

    VISIBILITY_UNSPECIFIED = "VISIBILITY_UNSPECIFIED"
    NONE = "NONE"
    NAMESPACE = "NAMESPACE"
    PUBLIC = "PUBLIC"


class VisibilityMatchRule(Message, frozen=True, kw_only=True):
    """A condition on the namespace of a ServiceEntry."""

    namespace_selector: LabelSelector | None = None


class VisibilityPolicy(Message, frozen=True, kw_only=True):
    """The visibility where all rules hold."""

    visibility: Visibility = Visibility.VISIBILITY_UNSPECIFIED
    matching_rules: tuple[VisibilityMatchRule, ...] = ()


class ServiceEntryVisibility(Message, frozen=True, kw_only=True):
    """Upper limit of what ``exportTo`` of a ServiceEntry can ask for."""

    default_visibility: Visibility = Visibility.VISIBILITY_UNSPECIFIED
    apply_to_sidecars: bool = False
    policies: tuple[VisibilityPolicy, ...] = ()


class DefaultProviders(Message, frozen=True, kw_only=True):
    """Providers of telemetry where no Telemetry object names one."""

    tracing: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    access_logging: tuple[str, ...] = ()


class NormalizationType(enum.StrEnum):
    """How far a path is normalised before it is matched; DEFAULT is BASE."""

    DEFAULT = "DEFAULT"
    NONE = "NONE"
    BASE = "BASE"
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


class ProxyPathNormalization(Message, frozen=True, kw_only=True):
    """Normalisation of request paths."""

    normalization: NormalizationType = NormalizationType.DEFAULT


class MeshTLSProtocol(enum.StrEnum):
    """Lowest version of TLS."""

    TLS_AUTO = "TLS_AUTO"
    TLSV1_2 = "TLSV1_2"
    TLSV1_3 = "TLSV1_3"


class MeshTLSConfig(Message, frozen=True, kw_only=True):
    """Limits for TLS."""

    min_protocol_version: MeshTLSProtocol = MeshTLSProtocol.TLS_AUTO
    ecdh_curves: tuple[str, ...] = ()
    cipher_suites: tuple[str, ...] = ()


class DefaultTrafficPolicy(Message, frozen=True, kw_only=True):
    """Policies for the blocks that a DestinationRule leaves out."""

    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None


class MeshConfig(Message, frozen=True, kw_only=True):
    """Settings of the mesh. ``default_config`` and ``extension_providers`` are kept as they were written."""

    proxy_listen_port: Int32 = 15001
    proxy_inbound_listen_port: Int32 = 15006
    proxy_http_port: Int32 = 0
    connect_timeout: Duration = Duration.of(seconds=10)
    hbone_idle_timeout: Duration = Duration.of(seconds=3600)
    protocol_detection_timeout: Duration = Duration.of(seconds=0)
    tcp_keepalive: TcpKeepalive | None = None
    ingress_class: str = "istio"
    ingress_service: str = "istio-ingressgateway"
    ingress_controller_mode: IngressControllerMode = IngressControllerMode.STRICT
    ingress_selector: str = ""
    enable_tracing: bool = True
    access_log_file: str = ""
    access_log_format: str = ""
    access_log_encoding: AccessLogEncoding = AccessLogEncoding.TEXT
    enable_envoy_access_log_service: bool = False
    disable_envoy_listener_log: bool = False
    default_config: dict[str, object] = {}
    outbound_traffic_policy: MeshOutboundTrafficPolicy = MeshOutboundTrafficPolicy(mode=OutboundTrafficMode.ALLOW_ANY)
    inbound_traffic_policy: InboundTrafficPolicy = InboundTrafficPolicy()
    config_sources: tuple[ConfigSource, ...] = ()
    enable_auto_mtls: bool = True
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    ca_certificates: tuple[CertificateData, ...] = ()
    default_service_export_to: tuple[str, ...] = ("*",)
    default_virtual_service_export_to: tuple[str, ...] = ("*",)
    default_destination_rule_export_to: tuple[str, ...] = ("*",)
    root_namespace: str = "istio-system"
    locality_lb_setting: LocalityLoadBalancerSetting = LocalityLoadBalancerSetting(enabled=True)
    zone_aware_lb_setting: ZoneAwareLoadBalancerSetting | None = None
    dns_refresh_rate: Duration = Duration.of(seconds=60)
    h2_upgrade_policy: MeshH2UpgradePolicy = MeshH2UpgradePolicy.DO_NOT_UPGRADE
    inbound_cluster_stat_name: str = ""
    outbound_cluster_stat_name: str = ""
    certificates: tuple[CertificateRequest, ...] = ()
    service_settings: tuple[ServiceSettings, ...] = ()
    service_scope_configs: tuple[ServiceScopeConfig, ...] = ()
    enable_prometheus_merge: bool = True
    verify_certificate_at_client: bool | None = None
    ca: CertificateAuthority | None = None
    extension_providers: tuple[dict[str, object], ...] = ()
    default_providers: DefaultProviders = DefaultProviders()
    discovery_selectors: tuple[LabelSelector, ...] = ()
    path_normalization: ProxyPathNormalization = ProxyPathNormalization()
    default_http_retry_policy: HTTPRetry | None = None
    mesh_mtls: MeshTLSConfig | None = msgspec.field(default=None, name="meshMTLS")
    tls_defaults: MeshTLSConfig | None = None
    default_traffic_policy: DefaultTrafficPolicy | None = None
    service_entry_visibility: ServiceEntryVisibility | None = None
