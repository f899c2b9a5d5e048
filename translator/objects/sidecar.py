"""Sidecar (networking.istio.io): which services a workload reaches, and the ports at which it is reached."""

import enum

from translator.objects.destination_rule import ConnectionPoolSettings
from translator.objects.gateway import ServerTLSSettings
from translator.objects.meta import MeshObject, Message, Uint32, WorkloadSelector
from translator.objects.virtual_service import Destination


class SidecarPort(Message, frozen=True, kw_only=True):
    """The port of a listener."""

    number: Uint32 = 0
    protocol: str = ""
    name: str = ""
    target_port: Uint32 = 0


class CaptureMode(enum.StrEnum):
    """How traffic gets to a listener."""

    DEFAULT = "DEFAULT"
    IPTABLES = "IPTABLES"
    NONE = "NONE"


class IngressListener(Message, frozen=True, kw_only=True):
    """A port at which the workload is reached."""

    port: SidecarPort
    bind: str = ""
    capture_mode: CaptureMode = CaptureMode.DEFAULT
    default_endpoint: str = ""
    tls: ServerTLSSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None


class EgressListener(Message, frozen=True, kw_only=True):
    """Hosts that the workload reaches, as ``namespace/dnsName``."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: CaptureMode = CaptureMode.DEFAULT
    hosts: tuple[str, ...] = ()


class OutboundTrafficMode(enum.StrEnum):
    """What becomes of traffic to hosts that nobody registered."""

    REGISTRY_ONLY = "REGISTRY_ONLY"
    ALLOW_ANY = "ALLOW_ANY"
    ALLOW_ANY_DYNAMIC_DNS = "ALLOW_ANY_DYNAMIC_DNS"


class OutboundTrafficPolicy(Message, frozen=True, kw_only=True):
    """Policy for unknown destinations; an empty block means REGISTRY_ONLY."""

    mode: OutboundTrafficMode = OutboundTrafficMode.REGISTRY_ONLY
    egress_proxy: Destination | None = None


class SidecarSpec(Message, frozen=True, kw_only=True):
    """A Sidecar's specification."""

    workload_selector: WorkloadSelector | None = None
    ingress: tuple[IngressListener, ...] = ()
    egress: tuple[EgressListener, ...] = ()
    inbound_connection_pool: ConnectionPoolSettings | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None


class Sidecar(MeshObject, frozen=True, kw_only=True):
    """What the proxies of some workloads see and serve."""

    spec: SidecarSpec = SidecarSpec()
