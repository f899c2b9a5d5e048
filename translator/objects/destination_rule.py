"""DestinationRule (networking.istio.io): policies for the traffic to a host, and the subsets of the host."""

import enum

import msgspec

from translator.objects.duration import Duration
from translator.objects.meta import Int32, MeshObject, Message, PolicySelector, Uint32, Uint64
from translator.objects.virtual_service import PortSelector


class SimpleLB(enum.StrEnum):
    """A load balancing algorithm without settings."""

    UNSPECIFIED = "UNSPECIFIED"
    LEAST_CONN = "LEAST_CONN"
    RANDOM = "RANDOM"
    PASSTHROUGH = "PASSTHROUGH"
    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"


class RingHash(Message, frozen=True, kw_only=True):
    """Ketama hashing."""

    minimum_ring_size: Uint64 = 0


class MagLev(Message, frozen=True, kw_only=True):
    """Maglev hashing."""

    table_size: Uint64 = 0


class CookieAttribute(Message, frozen=True, kw_only=True):
    """A further attribute of a generated cookie."""

    name: str
    value: str = ""


class HTTPCookie(Message, frozen=True, kw_only=True):
    """The cookie to hash by; without ``ttl`` none is generated, with 0s it lasts for the session."""

    name: str
    path: str = ""
    ttl: Duration | None = None
    attributes: tuple[CookieAttribute, ...] = ()


class ConsistentHashLB(Message, frozen=True, kw_only=True):
    """Session affinity: by what to hash, and how."""

    http_header_name: str | None = None
    http_cookie: HTTPCookie | None = None
    use_source_ip: bool | None = None
    http_query_parameter_name: str | None = None
    ring_hash: RingHash | None = None
    maglev: MagLev | None = None
    minimum_ring_size: Uint64 = 0


class LocalityDistribute(Message, frozen=True, kw_only=True):
    """Shares of the traffic that originates in a locality, by locality."""

    from_: str = msgspec.field(default="", name="from")
    to: dict[str, Uint32] = {}


class LocalityFailover(Message, frozen=True, kw_only=True):
    """The region that takes over when another one is unhealthy."""

    from_: str = msgspec.field(default="", name="from")
    to: str = ""


class LocalityLoadBalancerSetting(Message, frozen=True, kw_only=True):
    """Load balancing between localities."""

    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    enabled: bool | None = None


class ZoneAwareLoadBalancerSetting(Message, frozen=True, kw_only=True):
    """Load balancing that keeps traffic within the zone as far as capacity allows."""

    enabled: bool | None = None
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    min_cluster_size: Uint32 | None = None


class WarmupConfiguration(Message, frozen=True, kw_only=True):
    """Slow start of new endpoints."""

    duration: Duration
    minimum_percent: float | None = None
    aggression: float | None = None


class LoadBalancerSettings(Message, frozen=True, kw_only=True):
    """The load balancing algorithm and its settings."""

    simple: SimpleLB | None = None
    consistent_hash: ConsistentHashLB | None = None
    locality_lb_setting: LocalityLoadBalancerSetting | None = None
    zone_aware_lb_setting: ZoneAwareLoadBalancerSetting | None = None
    warmup_duration_secs: Duration | None = None
    warmup: WarmupConfiguration | None = None


class TcpKeepalive(Message, frozen=True, kw_only=True):
    """SO_KEEPALIVE and its settings; what is unset is left to the system."""

    probes: Uint32 = 0
    time: Duration | None = None
    interval: Duration | None = None


class TCPSettings(Message, frozen=True, kw_only=True):
    """Connection limits of every protocol."""

    max_connections: Int32 = 0
    connect_timeout: Duration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: Duration | None = None
    idle_timeout: Duration | None = None


class H2UpgradePolicy(enum.StrEnum):
    """Whether HTTP/1.1 connections become HTTP/2."""

    DEFAULT = "DEFAULT"
    DO_NOT_UPGRADE = "DO_NOT_UPGRADE"
    UPGRADE = "UPGRADE"


class ConnectionKeepalive(Message, frozen=True, kw_only=True):
    """HTTP/2 PING frames."""

    interval: Duration | None = None
    timeout: Duration | None = None


class HTTPSettings(Message, frozen=True, kw_only=True):
    """Connection limits of HTTP."""

    http1_max_pending_requests: Int32 = 0
    http2_max_requests: Int32 = 0
    max_requests_per_connection: Int32 = 0
    max_retries: Int32 = 0
    idle_timeout: Duration | None = None
    h2_upgrade_policy: H2UpgradePolicy = H2UpgradePolicy.DEFAULT
    use_client_protocol: bool = False
    max_concurrent_streams: Int32 = 0
    http2_keep_alive: ConnectionKeepalive | None = None


class ConnectionPoolSettings(Message, frozen=True, kw_only=True):
    """Limits on the connections to each cluster."""

    tcp: TCPSettings | None = None
    http: HTTPSettings | None = None


class OutlierDetection(Message, frozen=True, kw_only=True):
    """When an endpoint that fails is ejected."""

    consecutive_errors: Int32 = 0
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: Uint32 | None = None
    consecutive_gateway_errors: Uint32 | None = None
    consecutive_5xx_errors: Uint32 | None = msgspec.field(default=None, name="consecutive5xxErrors")
    interval: Duration | None = None
    base_ejection_time: Duration | None = None
    max_ejection_percent: Int32 = 0
    min_health_percent: Int32 = 0
    outlier_detection_http_error_codes: tuple[Uint32, ...] = ()


class ClientTLSMode(enum.StrEnum):
    """How connections to a host are secured."""

    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"


class ClientTLSSettings(Message, frozen=True, kw_only=True):
    """TLS of the connections to a host."""

    mode: ClientTLSMode = ClientTLSMode.DISABLE
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool | None = None
    ca_crl: str = ""


class PortTrafficPolicy(Message, frozen=True, kw_only=True):
    """The policy of one port; it replaces the general one as a whole, it does not refine it."""

    port: PortSelector | None = None
    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class TunnelSettings(Message, frozen=True, kw_only=True):
    """Tunnel TCP over HTTP CONNECT or POST; an empty protocol is CONNECT."""

    target_host: str
    target_port: Uint32
    protocol: str = ""


class ProxyProtocolVersion(enum.StrEnum):
    """Version of the PROXY header."""

    V1 = "V1"
    V2 = "V2"


class ProxyProtocol(Message, frozen=True, kw_only=True):
    """Write a PROXY header at the head of each connection."""

    version: ProxyProtocolVersion = ProxyProtocolVersion.V1


class RetryBudget(Message, frozen=True, kw_only=True):
    """Limit of concurrent retries as a share of the active requests."""

    percent: float | None = None
    min_retry_concurrency: Uint32 = 0
    budget_interval: Duration | None = None


class TrafficPolicy(Message, frozen=True, kw_only=True):
    """Policies for the traffic to a host or to one of its subsets."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: TunnelSettings | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(Message, frozen=True, kw_only=True):
    """The endpoints of the host that carry these labels."""

    name: str
    labels: dict[str, str] = {}
    traffic_policy: TrafficPolicy | None = None


class DestinationRuleSpec(Message, frozen=True, kw_only=True):
    """A DestinationRule's specification."""

    host: str
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: PolicySelector | None = None


class DestinationRule(MeshObject, frozen=True, kw_only=True):
    """Policies that apply after routing."""

    spec: DestinationRuleSpec
