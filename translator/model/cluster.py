"""Several Kubernetes clusters in one mesh: which one a proxy is in, and what every cluster keeps to itself."""

from collections.abc import Iterator
from typing import Final

from translator.database import Database
from translator.engine import query
from translator.indexes import CLUSTERS
from translator.model.host import covers, normalize_host, specificity
from translator.objects.registry import PRIMARY

_DISCOVERY: Final = "discoveryAddress"


def home_cluster(db: Database, cluster_id: str) -> str:
    """The cluster of a proxy, as keys name it: that of its ID if services of it are known, else the primary one."""
    return cluster_id if cluster_id in db.members(CLUSTERS, "") else PRIMARY


def cluster_name(db: Database, cluster: str) -> str:
    """The ID of the cluster of a key: what workloads and proxies carry."""
    return cluster or db.settings.cluster_id


def has_clusters(db: Database) -> bool:
    """Whether there are clusters beside the primary one."""
    return bool(db.members(CLUSTERS, ""))


@query
def is_cluster_local(db: Database, hostname: str) -> bool:
    """Whether clients get the endpoints of their own cluster only.

    Istio: by the most specific host of the mesh's ``serviceSettings``; by default it holds for what every cluster has
    of its own, Kubernetes' API and system services and the control plane.
    """
    settings = [(host, True) for host in _own_of_every_cluster(db)]
    for each in db.settings.mesh.service_settings:
        local = each.settings is not None and each.settings.cluster_local
        settings += [(normalize_host(host), local) for host in each.hosts]
    matching = {host: local for host, local in settings if covers(host, hostname)}
    return matching[min(matching, key=specificity)] if matching else False


def _own_of_every_cluster(db: Database) -> Iterator[str]:
    suffix = f".svc.{db.settings.domain_suffix}"
    yield f"*.kube-system{suffix}"
    yield f"kubernetes.default{suffix}"
    address = db.settings.mesh.default_config.get(_DISCOVERY)
    host = normalize_host(address.rpartition(":")[0] or address) if isinstance(address, str) else ""
    if host.endswith((".svc", suffix)):
        yield host.removesuffix(suffix).removesuffix(".svc") + suffix
