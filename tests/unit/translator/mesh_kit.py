"""A small mesh in memory: objects from YAML go in, the clusters and assignments of a proxy come out."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.json_format import MessageToDict

from translator.clusters.selection import cluster_references
from translator.database import Database
from translator.decode import decode_object, iter_documents
from translator.endpoints.selection import endpoint_references
from translator.model.proxy import Proxy, Role, ViewKey, view_key
from translator.objects.mesh_config import MeshConfig
from translator.objects.mesh_networks import MeshNetworks
from translator.objects.registry import PRIMARY
from translator.settings import Settings
from translator.store import Write
from xds.resource import Resource

SIDECAR = Proxy(
    role=Role.SIDECAR,
    name="client",
    namespace="default",
    addresses=("10.9.9.9",),
    dns_domain="default.svc.cluster.local",
)
GATEWAY = msgspec.structs.replace(SIDECAR, role=Role.GATEWAY, name="gateway")
IDENTIFIED = msgspec.structs.replace(SIDECAR, has_identity=True)


def writes(text: str, cluster: str = PRIMARY) -> list[Write]:
    """The writes that the documents of a YAML text stand for in a cluster; every document has to be valid."""
    found = []
    for document in yaml.safe_load_all(text):
        for item in iter_documents(document):
            decoded = decode_object(item)
            assert decoded.key is not None, (decoded.label, decoded.violations)
            assert decoded.object is not None, (decoded.label, decoded.violations)
            found.append(Write(decoded.key._replace(cluster=cluster), decoded.object))
    return found


class Mesh:
    """A database with the objects of YAML texts."""

    def __init__(self, *texts: str, mesh: MeshConfig | None = None, networks: MeshNetworks | None = None) -> None:
        self.db = Database(Settings(mesh=mesh or MeshConfig(), networks=networks or MeshNetworks()))
        self.add(*texts)

    def add(self, *texts: str, cluster: str = PRIMARY) -> None:
        """Create or replace objects of a cluster."""
        for text in texts:
            self.db.apply(writes(text, cluster))

    def remove(self, *texts: str, cluster: str = PRIMARY) -> None:
        """Delete the objects that the texts show."""
        for text in texts:
            self.db.apply([Write(write.key, None) for write in writes(text, cluster)])

    def clusters(self, proxy: Proxy = SIDECAR) -> dict[str, Resource]:
        """All clusters of a proxy by name."""
        return self._resources(cluster_references(self.db, self.view(proxy)))

    def assignments(self, proxy: Proxy = SIDECAR) -> dict[str, Resource]:
        """All assignments of a proxy by name."""
        return self._resources(endpoint_references(self.db, self.view(proxy)))

    def view(self, proxy: Proxy) -> ViewKey:
        """The View of a proxy."""
        return view_key(self.db, proxy)

    def cluster(self, name: str, proxy: Proxy = SIDECAR) -> Cluster:
        """One cluster."""
        return Cluster.FromString(self.clusters(proxy)[name].body)

    def shown(self, name: str, proxy: Proxy = SIDECAR) -> dict[str, Any]:
        """One cluster as people see it, in proto JSON."""
        shown: dict[str, Any] = MessageToDict(self.cluster(name, proxy), preserving_proto_field_name=True)
        return shown

    def assignment(self, name: str, proxy: Proxy = SIDECAR) -> ClusterLoadAssignment:
        """One assignment."""
        return ClusterLoadAssignment.FromString(self.assignments(proxy)[name].body)

    def addresses(self, name: str, proxy: Proxy = SIDECAR) -> list[str]:
        """The addresses in an assignment, in order."""
        return [address for group in self.groups(name, proxy) for address in group[3]]

    def groups(self, name: str, proxy: Proxy = SIDECAR) -> list[tuple[str, int, int, list[str]]]:
        """The locality groups of an assignment: locality, priority, weight and addresses."""
        return locality_groups(self.assignment(name, proxy))

    def _resources(self, references: Iterable[Any]) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for name, query, args in references:
            assert name not in found
            resource = query(self.db, *args)
            if resource is not None:
                assert resource.name == name
                found[name] = resource
        return found


def locality_groups(assignment: ClusterLoadAssignment) -> list[tuple[str, int, int, list[str]]]:
    """The groups of an assignment, brief."""
    return [
        (
            "/".join(filter(None, (group.locality.region, group.locality.zone, group.locality.sub_zone))),
            group.priority,
            group.load_balancing_weight.value,
            [
                endpoint.endpoint.address.pipe.path or endpoint.endpoint.address.socket_address.address
                for endpoint in group.lb_endpoints
            ],
        )
        for group in assignment.endpoints
    ]


def service(
    name: str = "web", *, namespace: str = "default", ports: str = "{name: http, port: 80}", **spec: object
) -> str:
    """A Kubernetes Service whose pods carry ``app: NAME``."""
    fields: Mapping[str, object] = {"clusterIP": "10.0.0.1", "selector": {"app": name}, **spec}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {**fields, "ports": yaml.safe_load(f"[{ports}]")},
        }
    )


def pod(
    name: str, ip: str, *, namespace: str = "default", labels: Mapping[str, str] | None = None, **spec: object
) -> str:
    """A pod that is running and ready."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {"app": "web"})},
            "spec": spec,
            "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }
    )


def endpoint_slice(
    name: str, *endpoints: Mapping[str, object], service: str = "web", namespace: str = "default", port: str = "http"
) -> str:
    """An EndpointSlice with port 8080; see ``endpoint``."""
    return yaml.safe_dump(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": [dict(endpoint) for endpoint in endpoints],
            "ports": [{"name": port, "port": 8080}],
        }
    )


def endpoint(address: str, pod: str = "", **conditions: bool) -> dict[str, object]:
    """An endpoint of a slice, of a pod if one is named."""
    target = {"targetRef": {"kind": "Pod", "name": pod}} if pod else {}
    return {"addresses": [address], "conditions": conditions, **target}


def rule(spec: str, *, name: str = "rule", namespace: str = "default", created: str = "2026-01-01T00:00:00Z") -> str:
    """A DestinationRule from the text of its specification; the host is ``web`` unless it says otherwise."""
    fields = {"host": "web.default.svc.cluster.local", **yaml.safe_load(spec)}
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": fields,
        }
    )


def entry(spec: str, *, name: str = "entry", namespace: str = "default", created: str = "2026-01-01T00:00:00Z") -> str:
    """A ServiceEntry from the text of its specification."""
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": yaml.safe_load(spec),
        }
    )


def peers(spec: str, *, name: str = "peers", namespace: str = "default", created: str = "2026-01-01T00:00:00Z") -> str:
    """A PeerAuthentication from the text of its specification."""
    return yaml.safe_dump(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": yaml.safe_load(spec),
        }
    )


def authorization(
    spec: str,
    *,
    name: str = "policy",
    namespace: str = "default",
    created: str = "2026-01-01T00:00:00Z",
    annotations: Mapping[str, str] | None = None,
) -> str:
    """An AuthorizationPolicy from the text of its specification."""
    metadata: dict[str, object] = {"name": name, "namespace": namespace, "creationTimestamp": created}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return yaml.safe_dump(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": metadata,
            "spec": yaml.safe_load(spec),
        }
    )
