"""The mesh-wide settings that listeners depend on, so that a change of any other setting does not touch them."""

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.proxy_config import DEFAULT_SETTINGS, ProxySettings, read_proxy_settings
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshTLSConfig, NormalizationType
from translator.security.mesh_tls import MeshTLS, mesh_tls
from translator.telemetry.access_log import AccessLogFile


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Mesh settings of listeners. ``logs_listeners`` asks for a line also when no filter chain takes a connection."""

    outbound_port: int = 15001
    inbound_port: int = 15006
    http_proxy_port: int = 0
    detection_timeout: Duration = Duration(0)
    normalization: NormalizationType = NormalizationType.DEFAULT
    outbound_stat_name: str = ""
    inbound_stat_name: str = ""
    access_log: AccessLogFile | None = None
    logs_listeners: bool = True
    proxy: ProxySettings = DEFAULT_SETTINGS
    mesh_tls: MeshTLS = MeshTLS()
    tls_defaults: MeshTLSConfig = MeshTLSConfig()


@query
def listener_settings(db: Database) -> ListenerSettings:
    """The settings now in force."""
    mesh = db.settings.mesh
    log = None
    if mesh.access_log_file:
        log = AccessLogFile(mesh.access_log_file, mesh.access_log_encoding, mesh.access_log_format)
    return ListenerSettings(
        outbound_port=mesh.proxy_listen_port,
        inbound_port=mesh.proxy_inbound_listen_port,
        http_proxy_port=mesh.proxy_http_port,
        detection_timeout=mesh.protocol_detection_timeout,
        normalization=mesh.path_normalization.normalization,
        outbound_stat_name=mesh.outbound_cluster_stat_name,
        inbound_stat_name=mesh.inbound_cluster_stat_name,
        access_log=log,
        logs_listeners=not mesh.disable_envoy_listener_log,
        proxy=read_proxy_settings(mesh.default_config),
        mesh_tls=mesh_tls(db),
        tls_defaults=mesh.tls_defaults or MeshTLSConfig(),
    )
