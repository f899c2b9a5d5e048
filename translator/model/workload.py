"""Workloads: what runs behind an address, with identity, labels and place. Pods and WorkloadEntries alike.

Readiness is not part of a workload: a pod that flaps does not touch what is derived from its identity.
"""

from collections.abc import Mapping
from sys import intern
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.cluster import cluster_name
from translator.model.network import NETWORK, declared_network
from translator.objects import core
from translator.objects.registry import PRIMARY, Kind, ObjectKey
from translator.objects.sharing import shared_map
from translator.objects.workload import WorkloadEntrySpec
from translator.settings import Settings

REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"
SUBZONE: Final = "topology.istio.io/subzone"
CLUSTER: Final = "topology.istio.io/cluster"
HOSTNAME: Final = "kubernetes.io/hostname"
LOCALITY: Final = "topology.istio.io/locality"
LEGACY_LOCALITY: Final = "istio-locality"
TLS_MODE: Final = "security.istio.io/tlsMode"
_LEGACY_REGION: Final = "failure-domain.beta.kubernetes.io/region"
_LEGACY_ZONE: Final = "failure-domain.beta.kubernetes.io/zone"

TLS_MODE_DISABLED: Final = "disabled"
TLS_MODE_ISTIO: Final = "istio"


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A pod or WorkloadEntry.

    ``labels`` are augmented with the topology labels that subsets may select on; ``locality`` is
    ``region/zone/subzone`` (empty when unknown); ``service_account`` is a SPIFFE URI or empty.
    """

    name: str
    namespace: str
    labels: dict[str, str]
    service_account: str = ""
    locality: str = ""
    network: str = ""
    cluster_id: str = ""
    node: str = ""
    tls_mode: str = TLS_MODE_DISABLED


@query
def pod_workload(db: Database, key: ObjectKey) -> Workload | None:
    """The workload of a pod, or None when there is no such pod."""
    pod = db.row(key)
    if not isinstance(pod, core.Pod):
        return None
    node = db.get(core.KubeNode, "", pod.spec.node_name, key.cluster) if pod.spec.node_name else None
    labels, settings, cluster = pod.metadata.labels, db.settings, cluster_name(db, key.cluster)
    locality = locality_label(labels) or _node_locality(node)
    network = labels.get(NETWORK) or _network_of(db, key.cluster, pod.status.pod_ip)
    return Workload(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        labels=augment_labels(labels, locality, network, cluster, pod.spec.node_name),
        service_account=spiffe_uri(settings, pod.metadata.namespace, pod.spec.service_account_name or "default"),
        locality=locality,
        network=network,
        cluster_id=cluster,
        node=pod.spec.node_name,
        tls_mode=labels.get(TLS_MODE) or TLS_MODE_DISABLED,
    )


@query
def anonymous_workload(db: Database, cluster: str, address: str) -> Workload:
    """What is behind an address of a cluster of which nothing is known."""
    network = _network_of(db, cluster, address)
    return Workload(name="", namespace="", labels={}, network=network, cluster_id=cluster_name(db, cluster))


@query
def is_pod_ready(db: Database, key: ObjectKey) -> bool:
    """Whether a pod runs, is not being deleted, and is ready."""
    pod = db.row(key)
    if not isinstance(pod, core.Pod) or pod.metadata.deletion_timestamp or pod.status.phase in ("Failed", "Succeeded"):
        return False
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions)


def entry_workload(db: Database, key: ObjectKey, spec: WorkloadEntrySpec, own: Mapping[str, str]) -> Workload:
    """The workload of a WorkloadEntry or of an endpoint of a ServiceEntry; ``own`` labels win over the spec's.

    ``key`` tells its name, namespace and cluster.
    """
    labels = {**spec.labels, **own}
    settings, cluster = db.settings, cluster_name(db, key.cluster)
    locality = spec.locality or locality_label(labels)
    network = spec.network or labels.get(NETWORK) or _network_of(db, key.cluster, spec.address)
    # Istio: a workload that has a service account is taken to have a sidecar.
    implied = TLS_MODE_ISTIO if spec.service_account else TLS_MODE_DISABLED
    return Workload(
        name=key.name,
        namespace=key.namespace,
        labels=augment_labels(labels, locality, network, cluster, ""),
        service_account=spiffe_uri(settings, key.namespace, spec.service_account) if spec.service_account else "",
        locality=locality,
        network=network,
        cluster_id=cluster,
        tls_mode=labels.get(TLS_MODE) or implied,
    )


def spiffe_uri(settings: Settings, namespace: str, account: str) -> str:
    """The mesh identity of a Kubernetes service account."""
    return intern(f"spiffe://{settings.mesh.trust_domain}/ns/{namespace}/sa/{account}")


def locality_label(labels: Mapping[str, str]) -> str:
    """The locality that a label states; dots stand for slashes where there is no slash (label values have none)."""
    text = labels.get(LOCALITY) or labels.get(LEGACY_LOCALITY) or ""
    return text if "/" in text else text.replace(".", "/")


def augment_labels(labels: Mapping[str, str], locality: str, network: str, cluster: str, node: str) -> dict[str, str]:
    """The labels that subsets, failover priorities and selectors see: the workload's own and those of its place."""
    region, zone, subzone = split_locality(locality)
    place = {REGION: region, ZONE: zone, SUBZONE: subzone, CLUSTER: cluster, HOSTNAME: node}
    augmented = {**labels, **{name: value for name, value in place.items() if value}}
    if network:
        augmented.setdefault(NETWORK, network)
    return shared_map(augmented)


def split_locality(locality: str) -> tuple[str, str, str]:
    """Region, zone and subzone of a locality text; missing parts are empty."""
    region, _, rest = locality.partition("/")
    zone, _, subzone = rest.partition("/")
    return region, zone, subzone


def has_labels(labels: Mapping[str, str], wanted: Mapping[str, str] | tuple[tuple[str, str], ...]) -> bool:
    """Whether ``labels`` hold every wanted name with the wanted value; no wish matches everything."""
    pairs = wanted.items() if isinstance(wanted, Mapping) else wanted
    return all(labels.get(name) == value for name, value in pairs)


def _node_locality(node: core.KubeNode | None) -> str:
    if node is None:
        return ""
    labels = node.metadata.labels
    region = labels.get(REGION) or labels.get(_LEGACY_REGION) or ""
    zone = labels.get(ZONE) or labels.get(_LEGACY_ZONE) or ""
    return f"{region}/{zone}/{labels.get(SUBZONE, '')}" if region or zone or SUBZONE in labels else ""


def _network_of(db: Database, cluster: str, address: str) -> str:
    """Istio: the label of a cluster's root namespace says it for all of the cluster, else MeshNetworks say it."""
    settings = db.settings
    system = db.get(core.Namespace, "", settings.mesh.root_namespace, cluster)
    labelled = system.metadata.labels.get(NETWORK, "") if system else ""
    return labelled or declared_network(settings.networks, cluster_name(db, cluster), address)


def pod_key(namespace: str, name: str, cluster: str = PRIMARY) -> ObjectKey:
    """The key of a pod."""
    return ObjectKey(Kind.POD, namespace, name, cluster)
