"""The objects of a mesh of any size, the same every time, and the changes that are made to them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from fairlead.bench.marker import marker

Document = dict[str, Any]

GATEWAY_NAMESPACE: Final = "istio-system"
GATEWAY_LABELS: Final = {"istio": "ingressgateway"}
_PORT: Final = 8000
_TARGET_PORT: Final = 8080
_PODS_PER_SERVICE: Final = 64
_SERVICES: Final = 1 << 16
# Kubernetes' controller puts so many endpoints into a slice.
_PER_SLICE: Final = 100


class LoadShape(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of everything.

    ``endpoints`` of each service; ``virtual_services`` and ``destination_rules`` (of two subsets) for each service,
    0 to 1. ``scoped``: a Sidecar object limits every namespace to its own services. ``pods``: without them services
    have neither selector nor address, so that a cluster gives them an address and leaves their endpoints alone.
    """

    services: int = 1_000
    endpoints: int = 10
    namespaces: int = 10
    virtual_services: float = 0.1
    destination_rules: float = 0.1
    scoped: bool = False
    pods: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be generated."""
        limits = (
            ("services", self.services, 1, _SERVICES),
            ("endpoints", self.endpoints, 1, 1_000),
            ("namespaces", self.namespaces, 1, self.services),
            ("virtual-services", self.virtual_services, 0, 1),
            ("destination-rules", self.destination_rules, 0, 1),
        )
        for name, value, low, high in limits:
            if not low <= value <= high:
                raise ValueError(f"{name}: {value:,} is not between {low:,} and {high:,}")


class ChangeKind(StrEnum):
    """What can be changed."""

    ENDPOINT = "endpoint"
    WEIGHT = "weight"
    SERVICE = "service"
    STATUS = "status"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change: what to write, and how a proxy can tell that it has it.

    ``host`` is the service that it is about; proxies that know ``sibling`` are concerned. ``routed``: it is seen in
    a route table; else in an endpoint assignment. A change of STATUS must not be seen at all.
    """

    number: int
    kind: ChangeKind
    documents: tuple[Document, ...]
    host: str
    sibling: str
    routed: bool = False


class Load:
    """All objects of a mesh of one shape."""

    def __init__(self, shape: LoadShape) -> None:
        self.shape = shape

    def documents(self) -> Iterator[Document]:
        """Every object, service by service."""
        for number in range(self.shape.namespaces):
            yield _document("v1", "Namespace", {"name": namespace_name(number)})
            if self.shape.scoped:
                yield self._sidecar(namespace_name(number))
        yield _document("v1", "Namespace", {"name": GATEWAY_NAMESPACE})
        yield self._gateway()
        for number in range(self.shape.services):
            yield from self.service_documents(number)

    def service_documents(self, number: int) -> Iterator[Document]:
        """The objects that belong to one service."""
        shape, name = self.shape, service_name(number)
        namespace = self.namespace(number)
        yield self._service(name, namespace, cluster_ip(number))
        if shape.pods:
            for replica in range(shape.endpoints):
                yield pod_document(name, namespace, replica, pod_ip(number, replica))
        yield from self.slices(number)
        if self.has_destination_rule(number):
            yield _destination_rule(name, namespace)
        if self.has_virtual_service(number):
            yield self._virtual_service(number, 0, marker(0))

    def change(self, kind: ChangeKind, number: int, turn: int) -> Change:
        """Change ``number`` of a run, the ``turn``-th of its kind; numbers start at 1."""
        builders = {
            ChangeKind.ENDPOINT: self._endpoint_change,
            ChangeKind.WEIGHT: self._weight_change,
            ChangeKind.SERVICE: self._service_change,
            ChangeKind.STATUS: self._status_change,
        }
        return builders[kind](number, turn)

    def namespace(self, number: int) -> str:
        """The namespace of a service."""
        return namespace_name(number % self.shape.namespaces)

    def host(self, number: int) -> str:
        """The hostname of a service."""
        return f"{service_name(number)}.{self.namespace(number)}.svc.cluster.local"

    def has_virtual_service(self, number: int) -> bool:
        """Whether a service has routes of its own."""
        return _is_in_share(number, self.shape.virtual_services)

    def has_destination_rule(self, number: int) -> bool:
        """Whether a service has subsets; one that is routed by weights needs them."""
        return _is_in_share(number, self.shape.destination_rules) or self.has_virtual_service(number)

    def slices(self, number: int, replaced: tuple[int, str] | None = None) -> Iterator[Document]:
        """The EndpointSlices of a service; the address of one replica may be replaced by another."""
        ips = [pod_ip(number, replica) for replica in range(self.shape.endpoints)]
        if replaced is not None:
            ips[replaced[0]] = replaced[1]
        for first in range(0, len(ips), _PER_SLICE):
            yield self._slice(number, first, ips[first : first + _PER_SLICE])

    def _endpoint_change(self, number: int, turn: int) -> Change:
        service = turn % self.shape.services
        replica = turn // self.shape.services % self.shape.endpoints
        changed = tuple(self.slices(service, (replica, marker(number))))[replica // _PER_SLICE]
        host = self.host(service)
        return Change(number=number, kind=ChangeKind.ENDPOINT, documents=(changed,), host=host, sibling=host)

    def _weight_change(self, number: int, turn: int) -> Change:
        routed = [each for each in range(self.shape.services) if self.has_virtual_service(each)]
        if not routed:
            raise ValueError("no service has a VirtualService whose weights could change: --virtual-services 0.1")
        service = routed[turn % len(routed)]
        document = self._virtual_service(service, 1 + turn % 99, marker(number))
        host = self.host(service)
        return Change(
            number=number, kind=ChangeKind.WEIGHT, documents=(document,), host=host, sibling=host, routed=True
        )

    def _service_change(self, number: int, turn: int) -> Change:
        sibling = turn % self.shape.namespaces
        namespace, name = namespace_name(sibling), f"added-{number}"
        documents = (
            self._service(name, namespace, f"10.127.{number >> 8 & 255}.{number & 255}"),
            slice_document(f"{name}-a", namespace, name, [(marker(number), "")]),
        )
        host = f"{name}.{namespace}.svc.cluster.local"
        return Change(
            number=number, kind=ChangeKind.SERVICE, documents=documents, host=host, sibling=self.host(sibling)
        )

    def _status_change(self, number: int, turn: int) -> Change:
        service = turn % self.shape.services
        document = self._service(service_name(service), self.namespace(service), cluster_ip(service))
        document["metadata"]["resourceVersion"] = str(number)
        document["status"] = {"conditions": [{"type": "Seen", "status": "True", "message": str(number)}]}
        host = self.host(service)
        return Change(number=number, kind=ChangeKind.STATUS, documents=(document,), host=host, sibling=host)

    def _service(self, name: str, namespace: str, address: str) -> Document:
        document = service_document(name, namespace, address)
        if not self.shape.pods:
            del document["spec"]["selector"], document["spec"]["clusterIP"]
        return document

    def _slice(self, number: int, first: int, ips: list[str]) -> Document:
        name = service_name(number)
        pods = [f"{name}-{first + place}" if self.shape.pods else "" for place in range(len(ips))]
        suffix = "a" if first == 0 else f"a{first // _PER_SLICE}"
        return slice_document(f"{name}-{suffix}", self.namespace(number), name, list(zip(ips, pods, strict=True)))

    def _virtual_service(self, number: int, weight: int, route_name: str) -> Document:
        host = self.host(number)
        weights = (("v1", 100 - weight), ("v2", weight))
        spec = {
            "hosts": [host, f"{service_name(number)}.bench.example"],
            "gateways": ["mesh", f"{GATEWAY_NAMESPACE}/bench"],
            "http": [
                {
                    "name": route_name,
                    "route": [
                        {"destination": {"host": host, "subset": subset}, "weight": share} for subset, share in weights
                    ],
                }
            ],
        }
        metadata = {"name": service_name(number), "namespace": self.namespace(number)}
        return _document("networking.istio.io/v1", "VirtualService", metadata, spec=spec)

    @staticmethod
    def _sidecar(namespace: str) -> Document:
        spec = {"egress": [{"hosts": ["./*"]}]}
        return _document("networking.istio.io/v1", "Sidecar", {"name": "default", "namespace": namespace}, spec=spec)

    @staticmethod
    def _gateway() -> Document:
        port = {"number": 8080, "name": "http", "protocol": "HTTP"}
        spec = {"selector": GATEWAY_LABELS, "servers": [{"port": port, "hosts": ["*"]}]}
        metadata = {"name": "bench", "namespace": GATEWAY_NAMESPACE}
        return _document("networking.istio.io/v1", "Gateway", metadata, spec=spec)


def namespace_name(number: int) -> str:
    """The name of a namespace."""
    return f"team-{number}"


def service_name(number: int) -> str:
    """The name of a service."""
    return f"service-{number}"


def pod_ip(number: int, replica: int) -> str:
    """The address of a replica: unique among the first 64 of every service, and only ever written, never called."""
    position = number * _PODS_PER_SERVICE + replica
    return f"10.{position >> 16 & 63}.{position >> 8 & 255}.{position & 255}"


def cluster_ip(number: int) -> str:
    """The virtual address of a service."""
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def service_document(name: str, namespace: str, address: str) -> Document:
    """A Service with one HTTP port."""
    spec = {
        "clusterIP": address,
        "selector": {"app": name},
        "ports": [{"name": "http", "port": _PORT, "targetPort": _TARGET_PORT, "protocol": "TCP"}],
    }
    return _document("v1", "Service", {"name": name, "namespace": namespace}, spec=spec)


def pod_document(service: str, namespace: str, replica: int, address: str) -> Document:
    """A ready pod of a service; every second one is of version v2."""
    metadata = {
        "name": f"{service}-{replica}",
        "namespace": namespace,
        "labels": {"app": service, "version": f"v{replica % 2 + 1}"},
    }
    status = {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
    container = {"name": "app", "image": "registry.example/app"}
    return _document(
        "v1", "Pod", metadata, spec={"serviceAccountName": "default", "containers": [container]}, status=status
    )


def slice_document(name: str, namespace: str, service: str, endpoints: list[tuple[str, str]]) -> Document:
    """An EndpointSlice of ready endpoints, each an address and the name of its pod, if it has one."""
    metadata = {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}}
    listed = [
        {"addresses": [ip], "conditions": {"ready": True}}
        | ({"targetRef": {"kind": "Pod", "name": pod, "namespace": namespace}} if pod else {})
        for ip, pod in endpoints
    ]
    return _document(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        metadata,
        addressType="IPv4",
        ports=[{"name": "http", "port": _TARGET_PORT, "protocol": "TCP"}],
        endpoints=listed,
    )


def _destination_rule(service: str, namespace: str) -> Document:
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
    spec = {"host": f"{service}.{namespace}.svc.cluster.local", "subsets": subsets}
    return _document("networking.istio.io/v1", "DestinationRule", {"name": service, "namespace": namespace}, spec=spec)


def _document(api_version: str, kind: str, metadata: Document, **content: object) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _is_in_share(number: int, share: float) -> bool:
    """Spreads a share evenly, the same every time: with 0.1, number 9 is the first of every ten."""
    return int((number + 1) * share) > int(number * share)
