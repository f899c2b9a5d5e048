"""The bootstrap of a stock Envoy: everything it needs to fetch the rest from the control plane.

Built with typed dataclasses, because here clarity counts and speed does not.
"""

from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from betterproto2 import Casing
from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    LayeredRuntime,
    RuntimeLayer,
    RuntimeLayerAdminLayer,
)
from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
    ClusterDnsLookupFamily,
    UpstreamConnectionOptions,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Address as EnvoyAddress,
)
from envoy_data_plane.envoy.config.core.v3 import (
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    KeepaliveSettings,
    Node,
    SocketAddress,
    TcpKeepalive,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.listener.v3 import AdditionalAddress, Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.google.protobuf import Any as ProtoAny
from envoy_data_plane.google.protobuf import Struct

from fairlead.address import Address
from fairlead.bootstrap_tls import ControlPlaneTLS, build_control_plane_socket, build_token_filters
from fairlead.identity import PROMETHEUS_PORT, STATUS_PORT, ProxyIdentity
from translator.model.proxy import Capture, Role

XDS_CLUSTER: Final = "xds-grpc"
ADMIN_CLUSTER: Final = "envoy-admin"

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_UNLIMITED: Final = 100_000
# Probes come from outside the pod.
_EVERYWHERE: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - as said
# The ordinary limit of 100 refuses regular expressions that users of Istio have; Istio sets the same.
_REGEX_PROGRAM_SIZE: Final = 32_768


class BootstrapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a bootstrap says beside the proxy's identity: where the control plane is, which protocol variant.

    ``tls``: connect to the control plane over TLS.
    """

    xds: Address = Address("127.0.0.1", 15010)
    admin_port: int = 15000
    delta: bool = True
    tls: ControlPlaneTLS | None = None


def build_bootstrap(identity: ProxyIdentity, settings: BootstrapSettings) -> dict[str, Any]:
    """The complete bootstrap in proto JSON, ready to be written to a file that ``envoy -c`` reads."""
    admin = Address(admin_host(identity), settings.admin_port)
    bootstrap = Bootstrap(
        node=Node.from_dict(identity.node()),
        admin=Admin(address=_socket_address(admin)),
        dynamic_resources=_dynamic_resources(delta=settings.delta),
        static_resources=BootstrapStaticResources(
            clusters=[_xds_cluster(settings.xds, settings.tls), _admin_cluster(admin)],
            listeners=_status_listeners(_status_hosts(identity)),
        ),
        layered_runtime=LayeredRuntime(
            layers=[
                RuntimeLayer(
                    name="fairlead",
                    static_layer=Struct.from_dict({"re2.max_program_size.error_level": _REGEX_PROGRAM_SIZE}),
                ),
                # Keeps the runtime changeable through the admin interface, as it is without any layers.
                RuntimeLayer(name="admin", admin_layer=RuntimeLayerAdminLayer()),
            ]
        ),
    )
    return bootstrap.to_dict(casing=Casing.SNAKE)


def admin_host(identity: ProxyIdentity) -> str:
    """Where the admin interface is: on the loopback, which is IPv6 where the proxy has no IPv4."""
    only_v6 = all(ip_address(address).version == 6 for address in identity.addresses)
    return "::1" if only_v6 else "127.0.0.1"


def _dynamic_resources(*, delta: bool) -> BootstrapDynamicResources:
    # No timeout: an Envoy that starts before its control plane waits instead of serving nothing.
    over_ads = ConfigSource(
        ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3, initial_fetch_timeout=timedelta()
    )
    return BootstrapDynamicResources(
        ads_config=ApiConfigSource(
            api_type=ApiConfigSourceApiType.DELTA_GRPC if delta else ApiConfigSourceApiType.GRPC,
            transport_api_version=ApiVersion.V3,
            set_node_on_first_message_only=True,
            grpc_services=[GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=XDS_CLUSTER))],
        ),
        cds_config=over_ads,
        lds_config=over_ads,
    )


def _xds_cluster(xds: Address, tls: ControlPlaneTLS | None) -> Cluster:
    """The control plane. Keepalive finds a dead connection within 40 seconds; a long-lived stream has no limits."""
    http2 = Http2ProtocolOptions(
        connection_keepalive=KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=10))
    )
    options = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2),
        http_filters=build_token_filters(tls.token_secret) if tls and tls.token_secret else [],
    )
    cluster = _cluster(XDS_CLUSTER, xds)
    if tls is not None:
        cluster.transport_socket = build_control_plane_socket(tls, xds)
    cluster.typed_extension_protocol_options = {_HTTP_OPTIONS: ProtoAny.pack(options)}
    cluster.upstream_connection_options = UpstreamConnectionOptions(tcp_keepalive=TcpKeepalive(keepalive_time=300))
    limits = CircuitBreakersThresholds(
        max_connections=_UNLIMITED, max_pending_requests=_UNLIMITED, max_requests=_UNLIMITED
    )
    cluster.circuit_breakers = CircuitBreakers(thresholds=[limits])
    if not xds.is_ip:
        cluster.type = ClusterDiscoveryType.STRICT_DNS
        cluster.dns_lookup_family = ClusterDnsLookupFamily.V4_PREFERRED
    return cluster


def _admin_cluster(admin: Address) -> Cluster:
    return _cluster(ADMIN_CLUSTER, admin)


def _cluster(name: str, address: Address) -> Cluster:
    endpoint = LbEndpoint(endpoint=Endpoint(address=_socket_address(address)))
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
    )


def _status_hosts(identity: ProxyIdentity) -> tuple[str, ...]:
    """Where readiness and statistics are served: everywhere in a pod of its own, else on the proxy's own address.

    Without interception several proxies may share a machine, each with an address of 127.0.0.0/8.
    """
    own = ip_address(identity.addresses[0])
    intercepted = identity.role is Role.SIDECAR and identity.capture is not Capture.NONE
    if own.is_loopback and not intercepted:
        return (str(own),)
    versions = dict.fromkeys(ip_address(address).version for address in identity.addresses)
    return tuple(_EVERYWHERE[version] for version in versions)


def _status_listeners(hosts: tuple[str, ...]) -> list[Listener]:
    """What Kubernetes probes and Prometheus ask, on Istio's ports; answered by the admin interface."""
    return [
        _admin_listener(hosts, STATUS_PORT, "/healthz/ready", "/ready"),
        _admin_listener(hosts, PROMETHEUS_PORT, "/stats/prometheus", "/stats/prometheus"),
    ]


def _admin_listener(hosts: tuple[str, ...], port: int, path: str, admin_path: str) -> Listener:
    first, *others = (Address(host, port) for host in hosts)
    route = Route(match=RouteMatch(path=path), route=RouteAction(cluster=ADMIN_CLUSTER, prefix_rewrite=admin_path))
    manager = HttpConnectionManager(
        stat_prefix="status",
        route_config=RouteConfiguration(
            name="status", virtual_hosts=[VirtualHost(name="status", domains=["*"], routes=[route])]
        ),
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=ProtoAny.pack(Router()))],
    )
    chain = FilterChain(
        filters=[Filter(name="envoy.filters.network.http_connection_manager", typed_config=ProtoAny.pack(manager))]
    )
    return Listener(
        name=f"{first.host}_{port}",
        address=_socket_address(first),
        additional_addresses=[AdditionalAddress(address=_socket_address(other)) for other in others],
        filter_chains=[chain],
        # Probes have to get through also when the proxy has reached its limit of connections.
        ignore_global_conn_limit=True,
        bypass_overload_manager=True,
    )


def _socket_address(address: Address) -> EnvoyAddress:
    return EnvoyAddress(socket_address=SocketAddress(address=address.host, port_value=address.port))
