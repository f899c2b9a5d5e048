"""The Kubernetes documents that stand for pods on this machine.

A stand-in pod has an address, labels and a readiness; the documents say of it what a cluster would say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

Document = dict[str, Any]

NODE_NAME: Final = "this-machine"


@dataclass(frozen=True, slots=True)
class StandInPort:
    """A port of a Service and the port of the pods behind it."""

    number: int
    target: int
    name: str = "http"
    app_protocol: str | None = None


@dataclass(frozen=True, slots=True)
class StandInService:
    """A Service: its pods are those with the label ``app: NAME``. An empty cluster IP makes it headless.

    ``other_cluster_ips`` are of another version of IP than the first.
    """

    name: str
    namespace: str
    ports: tuple[StandInPort, ...]
    cluster_ip: str
    other_cluster_ips: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The full host name."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"

    @property
    def selector(self) -> dict[str, str]:
        """The labels that make a pod one of its own."""
        return {"app": self.name}

    def cluster_name(self, subset: str = "", port: int = 0) -> str:
        """The name of Envoy's cluster for a port (default: the first one) and a subset."""
        return f"outbound|{port or self.ports[0].number}|{subset}|{self.host}"


@dataclass(frozen=True, slots=True)
class StandInPod:
    """A pod: what is needed to bind a proxy to it and to send traffic to it.

    ``other_ips`` are of another version of IP than the first.
    """

    name: str
    namespace: str
    ip: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    service_account: str = "default"
    node: str = NODE_NAME
    other_ips: tuple[str, ...] = ()

    @property
    def ips(self) -> tuple[str, ...]:
        """All its addresses."""
        return (self.ip, *self.other_ips)


def namespace_document(name: str, labels: Mapping[str, str] | None = None) -> Document:
    """A Namespace."""
    return _document("v1", "Namespace", {"name": name, "labels": dict(labels or {})})


def node_document(name: str = NODE_NAME, region: str = "local", zone: str = "local-a") -> Document:
    """A Node in a region and zone."""
    labels = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone}
    return _document("v1", "Node", {"name": name, "labels": labels})


def service_document(service: StandInService) -> Document:
    """A Service of type ClusterIP."""
    ports = [
        {"name": port.name, "port": port.number, "targetPort": port.target, "protocol": "TCP"}
        | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
        for port in service.ports
    ]
    ips = [service.cluster_ip or "None", *service.other_cluster_ips]
    spec = {"clusterIP": ips[0], "clusterIPs": ips, "selector": service.selector, "ports": ports}
    return _document("v1", "Service", {"name": service.name, "namespace": service.namespace}, spec=spec)


def pod_document(pod: StandInPod) -> Document:
    """A Pod with its address and its readiness."""
    conditions = [{"type": "Ready", "status": str(pod.ready)}]
    return _document(
        "v1",
        "Pod",
        {"name": pod.name, "namespace": pod.namespace, "labels": dict(pod.labels)},
        spec={"serviceAccountName": pod.service_account, "nodeName": pod.node, "containers": []},
        status={
            "phase": "Running",
            "podIP": pod.ip,
            "podIPs": [{"ip": ip} for ip in pod.ips],
            "conditions": conditions,
        },
    )


def endpoint_slice_document(service: StandInService, pods: Iterable[StandInPod], version: int = 4) -> Document:
    """The EndpointSlice of a Service for one version of IP: every pod is an endpoint, ready or not."""
    metadata = {
        "name": f"{service.name}-pods" if version == 4 else f"{service.name}-pods-v{version}",
        "namespace": service.namespace,
        "labels": {"kubernetes.io/service-name": service.name},
    }
    ports = [
        {"name": port.name, "port": port.target, "protocol": "TCP"}
        | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
        for port in service.ports
    ]
    return _document(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        metadata,
        addressType=f"IPv{version}",
        ports=ports,
        endpoints=[_endpoint(pod, version) for pod in pods],
    )


def _endpoint(pod: StandInPod, version: int) -> Document:
    return {
        "addresses": [ip for ip in pod.ips if ip_address(ip).version == version],
        "conditions": {"ready": pod.ready, "serving": pod.ready, "terminating": False},
        "nodeName": pod.node,
        "targetRef": {"kind": "Pod", "name": pod.name, "namespace": pod.namespace},
    }


def _document(api_version: str, kind: str, metadata: Document, **rest: object) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
