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
from translator.objects.mesh_networks import MeshNetworks
from translator.objects.registry import PRIMARY, Kind, ObjectKey
from translator.objects.sharing import shared_map
from translator.objects.workload import WorkloadEntrySpec

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


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the workloads of a cluster have in common. Istio: a label of the root namespace says the ``network``."""

    cluster_id: str
    trust_domain: str
    network: str
    networks: MeshNetworks

    def network_of(self, address: str) -> str:
        """The network of an address that says nothing itself. Istio: the cluster's, else MeshNetworks say it."""
        return self.network or declared_network(self.networks, self.cluster_id, address)


@query
def surroundings(db: Database, cluster: str) -> Surroundings:
    """What the workloads of a cluster have in common: thousands of them read this in place of its parts."""
    settings = db.settings
    system = db.get(core.Namespace, "", settings.mesh.root_namespace, cluster)
    return Surroundings(
        cluster_id=cluster_name(db, cluster),
        trust_domain=settings.mesh.trust_domain,
        network=system.metadata.labels.get(NETWORK, "") if system else "",
        networks=settings.networks,
    )


@query
def pod_workload(db: Database, key: ObjectKey) -> Workload | None:
    """The workload of a pod, or None when there is no such pod."""
    pod = db.row(key)
    if not isinstance(pod, core.Pod):
        return None
    node = db.get(core.KubeNode, "", pod.spec.node_name, key.cluster) if pod.spec.node_name else None
    labels, around = pod.metadata.labels, surroundings(db, key.cluster)
    locality = locality_label(labels) or _node_locality(node)
    network = labels.get(NETWORK) or around.network_of(pod.status.pod_ip)
    return Workload(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        labels=augment_labels(labels, locality, network, around.cluster_id, pod.spec.node_name),
        service_account=spiffe_uri(
            around.trust_domain, pod.metadata.namespace, pod.spec.service_account_name or "default"
        ),
        locality=locality,
        network=network,
        cluster_id=around.cluster_id,
        node=pod.spec.node_name,
        tls_mode=labels.get(TLS_MODE) or TLS_MODE_DISABLED,
    )


@query
def anonymous_workload(db: Database, cluster: str, address: str) -> Workload:
    """What is behind an address of a cluster of which nothing is known."""
    around = surroundings(db, cluster)
    network = around.network_of(address)
    return Workload(name="", namespace="", labels={}, network=network, cluster_id=around.cluster_id)


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
    around = surroundings(db, key.cluster)
    locality = spec.locality or locality_label(labels)
    network = spec.network or labels.get(NETWORK) or around.network_of(spec.address)
    # Istio: a workload that has a service account is taken to have a sidecar.
    implied = TLS_MODE_ISTIO if spec.service_account else TLS_MODE_DISABLED
    return Workload(
        name=key.name,
        namespace=key.namespace,
        labels=augment_labels(labels, locality, network, around.cluster_id, ""),
        service_account=spiffe_uri(around.trust_domain, key.namespace, spec.service_account)
        if spec.service_account
        else "",
        locality=locality,
        network=network,
        cluster_id=around.cluster_id,
        tls_mode=labels.get(TLS_MODE) or implied,
    )


def spiffe_uri(trust_domain: str, namespace: str, account: str) -> str:
    """The mesh identity of a Kubernetes service account."""
    return intern(f"spiffe://{trust_domain}/ns/{namespace}/sa/{account}")


def locality_label(labels: Mapping[str, str]) -> str:
    """The locality that a label states; dots stand for slashes where there is no slash (label values have none)."""
    text = labels.get(LOCALITY) or labels.get(LEGACY_LOCALITY) or ""
    return text if "/" in text else text.replace(".", "/")


def augment_labels(labels: Mapping[str, str], locality: str, network: str, cluster: str, node: str) -> dict[str, str]:
    """The labels that subsets, failover priorities and selectors see: the workload's own and those of its place."""
    augmented = dict(labels)
    if locality:
        place = zip((REGION, ZONE, SUBZONE), split_locality(locality), strict=True)
        augmented |= {name: value for name, value in place if value}
    if cluster:
        augmented[CLUSTER] = cluster
    if node:
        augmented[HOSTNAME] = node
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


def pod_key(namespace: str, name: str, cluster: str = PRIMARY) -> ObjectKey:
    """The key of a pod."""
    return ObjectKey(Kind.POD, namespace, name, cluster)
