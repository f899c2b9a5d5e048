"""Indexes of what is behind services: slices, pods and WorkloadEntries, by where they are and what they are of."""

from typing import Final

from translator.indexes.extraction import Pairs, by_namespace
from translator.objects import core
from translator.objects.registry import Kind, ObjectKey
from translator.objects.workload import WorkloadEntry
from translator.store import Index

# Labels that tell the replicas and revisions of one workload apart.
_REPLICA_LABELS: Final = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "controller-revision-hash",
        "controller-uid",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)


def _slice_of_service(key: ObjectKey, source: core.EndpointSlice, _suffix: str) -> Pairs:
    service = source.metadata.labels.get("kubernetes.io/service-name")
    if service and "multicluster.kubernetes.io/service-name" not in source.metadata.labels:
        yield (key.namespace, service, key.cluster), key


def _slice_address(key: ObjectKey, source: core.EndpointSlice, _suffix: str) -> Pairs:
    service = source.metadata.labels.get("kubernetes.io/service-name")
    if service:
        for endpoint in source.endpoints:
            for address in endpoint.addresses:
                yield (key.namespace, address, key.cluster), service


def _node(key: ObjectKey, _source: core.KubeNode, _suffix: str) -> Pairs:
    yield key.cluster, key.name


def _pod_address(key: ObjectKey, source: core.Pod, _suffix: str) -> Pairs:
    if source.status.pod_ip and source.status.phase not in ("Failed", "Succeeded"):
        yield (key.namespace, source.status.pod_ip, key.cluster), key


def _pod_labels(key: ObjectKey, source: core.Pod, _suffix: str) -> Pairs:
    labels = source.metadata.labels.items()
    alike = tuple(sorted(each for each in labels if each[0] not in _REPLICA_LABELS))
    for label in alike:
        yield label, (key.namespace, alike)


def _pod_namespace(key: ObjectKey, _source: core.Pod, _suffix: str) -> Pairs:
    yield "", key.namespace


def _entry_at_address(key: ObjectKey, source: WorkloadEntry, _suffix: str) -> Pairs:
    if source.spec.address:
        yield (key.namespace, source.spec.address, key.cluster), key


NODES: Final[Index[str, str]] = Index("nodes", {Kind.NODE: _node})
"""Cluster -> names of its machines."""

SLICES_OF_SERVICE: Final[Index[tuple[str, str, str], ObjectKey]] = Index(
    "slices-of-service", {Kind.ENDPOINT_SLICE: _slice_of_service}
)
"""(namespace, Service name, cluster) -> its EndpointSlices."""

SERVICES_AT_ADDRESS: Final[Index[tuple[str, str, str], str]] = Index(
    "services-at-address", {Kind.ENDPOINT_SLICE: _slice_address}
)
"""(namespace, IP, cluster) -> names of the Kubernetes Services with an endpoint at that address."""

POD_AT_ADDRESS: Final[Index[tuple[str, str, str], ObjectKey]] = Index("pod-at-address", {Kind.POD: _pod_address})
"""(namespace, IP, cluster) -> pods."""

PODS_IN_NAMESPACE: Final[Index[str, ObjectKey]] = Index("pods-in-namespace", {Kind.POD: by_namespace})
"""Namespace -> pods."""

PODS_WITH_LABEL: Final[Index[tuple[str, str], tuple[str, tuple[tuple[str, str], ...]]]] = Index(
    "pods-with-label", {Kind.POD: _pod_labels}
)
"""(label, value) -> (namespace, all labels) of the pods that have it, each once: few, since replicas share theirs."""

POD_NAMESPACES: Final[Index[str, str]] = Index("pod-namespaces", {Kind.POD: _pod_namespace})
"""Empty string -> the namespaces that have pods."""

WORKLOAD_ENTRIES_IN_NAMESPACE: Final[Index[str, ObjectKey]] = Index(
    "workload-entries-in-namespace", {Kind.WORKLOAD_ENTRY: by_namespace}
)
"""Namespace -> WorkloadEntries."""

ENTRIES_AT_ADDRESS: Final[Index[tuple[str, str, str], ObjectKey]] = Index(
    "entries-at-address", {Kind.WORKLOAD_ENTRY: _entry_at_address}
)
"""(namespace, address, cluster) -> WorkloadEntries."""
