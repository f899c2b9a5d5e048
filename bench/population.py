"""A mesh of any size, the same every time: services with endpoints and pods, as documents and as decoded objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from translator.decode import decode_object
from translator.store import Write

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Population:
    """How many services, with how many endpoints each, spread over how many namespaces."""

    services: int
    endpoints: int = 10
    namespaces: int = 10

    def documents(self) -> Iterator[Document]:
        """All objects: for each service the Service, its pods and its EndpointSlice."""
        for number in range(self.services):
            yield self.service(number)
            for replica in range(self.endpoints):
                yield self.pod(number, replica)
            yield self.slice(number, self.endpoints)

    def writes(self) -> Iterator[Write]:
        """The same, decoded."""
        return map(write_of, self.documents())

    def namespace(self, number: int) -> str:
        """The namespace of a service."""
        return f"team-{number % self.namespaces}"

    def host(self, number: int) -> str:
        """The hostname of a service."""
        return f"service-{number}.{self.namespace(number)}.svc.cluster.local"

    def service(self, number: int) -> Document:
        """A ClusterIP Service with one HTTP port."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"service-{number}", "namespace": self.namespace(number)},
            "spec": {
                "clusterIP": f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
                "selector": {"app": f"service-{number}"},
                "ports": [{"name": "http", "port": 8000, "targetPort": 8080, "protocol": "TCP"}],
            },
        }

    def pod(self, number: int, replica: int) -> Document:
        """A ready pod of a service."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"service-{number}-{replica}",
                "namespace": self.namespace(number),
                "labels": {"app": f"service-{number}", "version": f"v{replica % 2 + 1}"},
            },
            "spec": {"serviceAccountName": f"service-{number}"},
            "status": {
                "phase": "Running",
                "podIP": address(number, replica),
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }

    def slice(self, number: int, ready: int) -> Document:
        """The EndpointSlice of a service of whose endpoints the first ``ready`` are ready."""
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"service-{number}-a",
                "namespace": self.namespace(number),
                "labels": {"kubernetes.io/service-name": f"service-{number}"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {
                    "addresses": [address(number, replica)],
                    "conditions": {"ready": replica < ready, "terminating": False},
                    "targetRef": {"kind": "Pod", "name": f"service-{number}-{replica}"},
                }
                for replica in range(self.endpoints)
            ],
        }


def address(number: int, replica: int) -> str:
    """The IP of a pod: unique for up to a million pods."""
    position = number * 16 + replica
    return f"10.{position >> 16 & 63}.{position >> 8 & 255}.{position & 255}"


def write_of(document: Document) -> Write:
    """A document as a write to the store. Raises ValueError for one that is not accepted."""
    decoded = decode_object(document)
    if decoded.key is None or decoded.object is None:
        message = f"{decoded.label}: {decoded.violations}"
        raise ValueError(message)
    return Write(decoded.key, decoded.object)
