"""Kubernetes' own objects, trimmed to what a mesh reads."""

import msgspec

from translator.objects.meta import MeshObject, Record


class Namespace(MeshObject, frozen=True, kw_only=True):
    """A namespace: its labels and annotations are all that counts."""


class ServicePort(Record, frozen=True, kw_only=True):
    """A port of a Service. ``target_port`` is a number or the name of a container port; None means ``port``."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""
    target_port: int | str | None = None
    node_port: int = 0


class ServiceSpec(Record, frozen=True, kw_only=True):
    """A Service's specification."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    external_name: str = ""
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    internal_traffic_policy: str = ""
    traffic_distribution: str = ""
    publish_not_ready_addresses: bool = False
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""


class LoadBalancerIngress(Record, frozen=True, kw_only=True):
    """One address at which a load balancer is reached."""

    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Record, frozen=True, kw_only=True):
    """Where the load balancer of a Service is reached."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Record, frozen=True, kw_only=True):
    """A Service's status."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(MeshObject, frozen=True, kw_only=True):
    """A Kubernetes Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Record, frozen=True, kw_only=True):
    """State of an endpoint; None means unknown, which each reader interprets by its own rule."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ObjectReference(Record, frozen=True, kw_only=True):
    """The object behind an endpoint, usually a Pod."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class SliceEndpoint(Record, frozen=True, kw_only=True):
    """One endpoint of an EndpointSlice."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: ObjectReference | None = None
    node_name: str = ""
    zone: str = ""
    hostname: str = ""


class SlicePort(Record, frozen=True, kw_only=True):
    """One port of an EndpointSlice; None means unset (all ports, or an unnamed one)."""

    name: str | None = None
    protocol: str = "TCP"
    port: int | None = None
    app_protocol: str = ""


class EndpointSlice(MeshObject, frozen=True, kw_only=True):
    """A part of the endpoints of a Service, which its label ``kubernetes.io/service-name`` names."""

    address_type: str = "IPv4"
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()


class ContainerPort(Record, frozen=True, kw_only=True):
    """A port that a container declares."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(Record, frozen=True, kw_only=True):
    """A container; ``restart_policy`` "Always" makes an init container a sidecar."""

    name: str = ""
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class PodSpec(Record, frozen=True, kw_only=True):
    """A Pod's specification."""

    node_name: str = ""
    service_account_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()


class PodIP(Record, frozen=True, kw_only=True):
    """One address of a Pod."""

    ip: str = ""


class Condition(Record, frozen=True, kw_only=True):
    """A condition of a status, without its times: they change with every heartbeat."""

    type: str
    status: str = "Unknown"


class PodStatus(Record, frozen=True, kw_only=True):
    """A Pod's status."""

    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    conditions: tuple[Condition, ...] = ()


class Pod(MeshObject, frozen=True, kw_only=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class NodeAddress(Record, frozen=True, kw_only=True):
    """One address of a machine: InternalIP, ExternalIP, Hostname, ..."""

    type: str
    address: str = ""


class KubeNodeStatus(Record, frozen=True, kw_only=True):
    """A machine's status."""

    addresses: tuple[NodeAddress, ...] = ()


class KubeNode(MeshObject, frozen=True, kw_only=True):
    """A machine of the cluster (Kubernetes' Node; the bare word is Envoy's)."""

    status: KubeNodeStatus = KubeNodeStatus()


class Secret(MeshObject, frozen=True, kw_only=True):
    """Key material; it never prints."""

    type: str = "Opaque"
    data: dict[str, bytes] = {}
    string_data: dict[str, str] = {}

    def __repr__(self) -> str:
        keys = sorted({*self.data, *self.string_data})
        return f"Secret({self.metadata.namespace}/{self.metadata.name}, keys={keys}, values=<redacted>)"

    def value(self, key: str) -> bytes | None:
        """The bytes under ``key``; as in Kubernetes, ``stringData`` wins over ``data``."""
        text = self.string_data.get(key)
        return self.data.get(key) if text is None else text.encode()


class ConfigMap(MeshObject, frozen=True, kw_only=True):
    """Plain settings."""

    data: dict[str, str] = {}
    binary_data: dict[str, bytes] = {}
