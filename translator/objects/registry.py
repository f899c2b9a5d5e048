"""The kinds of object that are read: their API groups, versions and records."""

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

from translator.objects.core import ConfigMap, EndpointSlice, KubeNode, Namespace, Pod, Secret, Service
from translator.objects.destination_rule import DestinationRule
from translator.objects.extension import EnvoyFilter, ProxyConfig, TrafficExtension, WasmPlugin
from translator.objects.gateway import IstioGateway
from translator.objects.gateway_api import GROUP, GatewayClass, KubernetesGateway, ReferenceGrant
from translator.objects.kubernetes_route import KubernetesRoute
from translator.objects.meta import MeshObject
from translator.objects.security import AuthorizationPolicy, PeerAuthentication, RequestAuthentication
from translator.objects.service_entry import ServiceEntry
from translator.objects.sidecar import Sidecar
from translator.objects.telemetry import Telemetry
from translator.objects.virtual_service import VirtualService
from translator.objects.workload import WorkloadEntry, WorkloadGroup


class Kind(enum.StrEnum):
    """A kind of object; the value is what users read, with the API group where two groups share a name."""

    NAMESPACE = "Namespace"
    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"
    POD = "Pod"
    NODE = "Node"
    SECRET = "Secret"  # noqa: S105 - the name of a kind
    CONFIG_MAP = "ConfigMap"
    VIRTUAL_SERVICE = "VirtualService"
    DESTINATION_RULE = "DestinationRule"
    ISTIO_GATEWAY = "Gateway"
    SERVICE_ENTRY = "ServiceEntry"
    SIDECAR = "Sidecar"
    WORKLOAD_ENTRY = "WorkloadEntry"
    WORKLOAD_GROUP = "WorkloadGroup"
    ENVOY_FILTER = "EnvoyFilter"
    PROXY_CONFIG = "ProxyConfig"
    WASM_PLUGIN = "WasmPlugin"
    TRAFFIC_EXTENSION = "TrafficExtension"
    PEER_AUTHENTICATION = "PeerAuthentication"
    REQUEST_AUTHENTICATION = "RequestAuthentication"
    AUTHORIZATION_POLICY = "AuthorizationPolicy"
    TELEMETRY = "Telemetry"
    GATEWAY_CLASS = "GatewayClass"
    GATEWAY = "Gateway.gateway.networking.k8s.io"
    HTTP_ROUTE = "HTTPRoute"
    REFERENCE_GRANT = "ReferenceGrant"

    @property
    def bare(self) -> str:
        """The name as it stands under ``kind``."""
        return self.value.partition(".")[0]


PRIMARY: Final = ""
"""The cluster part of the keys of the cluster that the mesh is configured in."""


class ObjectKey(NamedTuple):
    """Identity of an object; ``namespace`` is empty for what belongs to the whole cluster.

    ``cluster`` is the Kubernetes cluster that the object is from: ``PRIMARY``, or the name of another one.
    """

    kind: Kind
    namespace: str
    name: str
    cluster: str = PRIMARY

    def __str__(self) -> str:
        name = f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
        return f"{name} of cluster {self.cluster}" if self.cluster else name


@dataclass(frozen=True, slots=True)
class KindSpec:
    """How objects of a kind are named in YAML (``group`` is empty for Kubernetes' core) and what they become."""

    kind: Kind
    group: str
    versions: tuple[str, ...]
    struct: type[MeshObject]
    namespaced: bool = True

    @property
    def is_istio(self) -> bool:
        """Whether it is one of Istio's kinds, whose records are complete, so that unknown fields are mistakes."""
        return self.group.endswith(".istio.io")

    @property
    def is_custom(self) -> bool:
        """Whether API servers know it only once its definition is installed."""
        return self.is_istio or self.group == GROUP


_NETWORKING: Final = "networking.istio.io"
_SECURITY: Final = "security.istio.io"
_EXTENSIONS: Final = "extensions.istio.io"
_STABLE: Final = ("v1", "v1beta1", "v1alpha3")

KINDS: Final = (
    KindSpec(Kind.NAMESPACE, "", ("v1",), Namespace, namespaced=False),
    KindSpec(Kind.SERVICE, "", ("v1",), Service),
    KindSpec(Kind.ENDPOINT_SLICE, "discovery.k8s.io", ("v1",), EndpointSlice),
    KindSpec(Kind.POD, "", ("v1",), Pod),
    KindSpec(Kind.NODE, "", ("v1",), KubeNode, namespaced=False),
    KindSpec(Kind.SECRET, "", ("v1",), Secret),
    KindSpec(Kind.CONFIG_MAP, "", ("v1",), ConfigMap),
    KindSpec(Kind.VIRTUAL_SERVICE, _NETWORKING, _STABLE, VirtualService),
    KindSpec(Kind.DESTINATION_RULE, _NETWORKING, _STABLE, DestinationRule),
    KindSpec(Kind.ISTIO_GATEWAY, _NETWORKING, _STABLE, IstioGateway),
    KindSpec(Kind.SERVICE_ENTRY, _NETWORKING, _STABLE, ServiceEntry),
    KindSpec(Kind.SIDECAR, _NETWORKING, _STABLE, Sidecar),
    KindSpec(Kind.WORKLOAD_ENTRY, _NETWORKING, _STABLE, WorkloadEntry),
    KindSpec(Kind.WORKLOAD_GROUP, _NETWORKING, _STABLE, WorkloadGroup),
    KindSpec(Kind.ENVOY_FILTER, _NETWORKING, ("v1alpha3",), EnvoyFilter),
    KindSpec(Kind.PROXY_CONFIG, _NETWORKING, ("v1beta1",), ProxyConfig),
    KindSpec(Kind.WASM_PLUGIN, _EXTENSIONS, ("v1alpha1",), WasmPlugin),
    KindSpec(Kind.TRAFFIC_EXTENSION, _EXTENSIONS, ("v1alpha1",), TrafficExtension),
    KindSpec(Kind.PEER_AUTHENTICATION, _SECURITY, ("v1", "v1beta1"), PeerAuthentication),
    KindSpec(Kind.REQUEST_AUTHENTICATION, _SECURITY, ("v1", "v1beta1"), RequestAuthentication),
    KindSpec(Kind.AUTHORIZATION_POLICY, _SECURITY, ("v1", "v1beta1"), AuthorizationPolicy),
    KindSpec(Kind.TELEMETRY, "telemetry.istio.io", ("v1", "v1alpha1"), Telemetry),
    KindSpec(Kind.GATEWAY_CLASS, GROUP, ("v1", "v1beta1"), GatewayClass, namespaced=False),
    KindSpec(Kind.GATEWAY, GROUP, ("v1", "v1beta1"), KubernetesGateway),
    KindSpec(Kind.HTTP_ROUTE, GROUP, ("v1", "v1beta1"), KubernetesRoute),
    KindSpec(Kind.REFERENCE_GRANT, GROUP, ("v1", "v1beta1"), ReferenceGrant),
)
# What is read from clusters other than the primary one: the services and what is behind them.
SERVICE_KINDS: Final = frozenset(
    {Kind.NAMESPACE, Kind.NODE, Kind.SERVICE, Kind.ENDPOINT_SLICE, Kind.POD, Kind.WORKLOAD_ENTRY}
)
BY_KIND: Final = {spec.kind: spec for spec in KINDS}
KIND_OF: Final[dict[type[MeshObject], Kind]] = {spec.struct: spec.kind for spec in KINDS}
BY_NAME: Final = {
    (f"{spec.group}/{version}" if spec.group else version, spec.kind.bare): spec
    for spec in KINDS
    for version in spec.versions
}


def find_kind(api_version: str, kind: str) -> KindSpec | None:
    """The kind that ``apiVersion`` and ``kind`` of a document name, in any served version."""
    return BY_NAME.get((api_version, kind))


def key_of(source: MeshObject) -> ObjectKey:
    """The key of an object of the primary cluster, as all configuration is."""
    return ObjectKey(KIND_OF[type(source)], source.metadata.namespace, source.metadata.name)
