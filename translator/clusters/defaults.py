"""The part of the mesh's settings that shapes clusters: other settings may change without a cluster being built."""

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.proxy_config import read_proxy_settings
from translator.objects.destination_rule import TcpKeepalive
from translator.objects.duration import Duration
from translator.objects.mesh_config import DefaultTrafficPolicy, InboundTrafficMode, MeshH2UpgradePolicy, MeshTLSConfig


class MeshDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """Mesh-wide defaults, named as in MeshConfig.

    ``preserve_header_case``: HTTP/1 headers go on as the client has written them. ``system_roots``: see Settings.
    """

    connect_timeout: Duration
    tcp_keepalive: TcpKeepalive | None = None
    dns_refresh_rate: Duration
    h2_upgrade_policy: MeshH2UpgradePolicy = MeshH2UpgradePolicy.DO_NOT_UPGRADE
    tls_defaults: MeshTLSConfig | None = None
    traffic_policy: DefaultTrafficPolicy | None = None
    inbound_mode: InboundTrafficMode = InboundTrafficMode.PASSTHROUGH
    inbound_stat_name: str = ""
    outbound_stat_name: str = ""
    preserve_header_case: bool = False
    system_roots: str = ""


@query
def mesh_defaults(db: Database) -> MeshDefaults:
    """The defaults in force."""
    mesh = db.settings.mesh
    return MeshDefaults(
        connect_timeout=mesh.connect_timeout,
        tcp_keepalive=mesh.tcp_keepalive,
        dns_refresh_rate=mesh.dns_refresh_rate,
        h2_upgrade_policy=mesh.h2_upgrade_policy,
        tls_defaults=mesh.tls_defaults,
        traffic_policy=mesh.default_traffic_policy,
        inbound_mode=mesh.inbound_traffic_policy.mode,
        inbound_stat_name=mesh.inbound_cluster_stat_name,
        outbound_stat_name=mesh.outbound_cluster_stat_name,
        preserve_header_case=read_proxy_settings(mesh.default_config).proxy_headers.preserve_http1_header_case,
        system_roots=db.settings.system_roots,
    )
