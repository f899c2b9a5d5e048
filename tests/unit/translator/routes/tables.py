"""What the tests of routes share: a database from YAML, the Views that look at it, and readable route tables."""

from typing import Any

import yaml
from envoy.config.route.v3 import route_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.unit.translator.mesh_kit import writes
from translator.database import Database
from translator.model.proxy import Role, ServiceTarget, ViewKey
from translator.objects.mesh_config import MeshConfig
from translator.objects.virtual_service import HTTPRoute, VirtualService
from translator.reference import ResourceReference
from translator.routes.selection import route_references
from translator.settings import Settings
from xds.resource import Resource

Tree = dict[str, Any]


def database(*texts: str, mesh: MeshConfig | None = None) -> Database:
    """A database that holds the objects of some YAML texts."""
    db = Database(Settings(mesh=mesh or MeshConfig()))
    db.apply(write for text in texts for write in writes(text))
    return db


def service(name: str, *ports: str, namespace: str = "default", **spec: object) -> str:
    """A Kubernetes Service; a port is written ``http-80``. ``clusterIP`` is none unless given."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2024-01-01T00:00:00Z"},
            "spec": {"ports": [{"name": port, "port": int(port.rpartition("-")[2])} for port in ports], **spec},
        }
    )


def service_entry(name: str, hosts: list[str], *ports: str, namespace: str = "default", **spec: object) -> str:
    """A ServiceEntry; a port is written ``HTTP-80``."""
    numbered = [{"name": port, "number": int(port[-2:]), "protocol": port[:-3]} for port in ports]
    return _networking("ServiceEntry", name, namespace, "", {"hosts": hosts, "ports": numbered, **spec})


def virtual_service(name: str, spec: str, *, namespace: str = "default", created: str = "2024-01-01T00:00:00Z") -> str:
    """A VirtualService whose specification is given as YAML."""
    return _networking("VirtualService", name, namespace, created, yaml.safe_load(spec))


def networking(kind: str, name: str, spec: str, *, namespace: str = "default", created: str = "") -> str:
    """Any other object of Istio's networking group."""
    return _networking(kind, name, namespace, created, yaml.safe_load(spec))


def http_rule(text: str) -> HTTPRoute:
    """An HTTP rule as it stands under ``spec.http``."""
    (write,) = writes(virtual_service("rule", yaml.safe_dump({"hosts": ["a.com"], "http": [yaml.safe_load(text)]})))
    assert isinstance(write.value, VirtualService)
    return write.value.spec.http[0]


def sidecar(namespace: str = "default", **changes: Any) -> ViewKey:  # noqa: ANN401 - fields of a ViewKey
    """The View of sidecars of a namespace."""
    dns_domain = changes.pop("dns_domain", f"{namespace}.svc.cluster.local")
    return ViewKey(role=Role.SIDECAR, namespace=namespace, dns_domain=dns_domain, **changes)


def gateway(namespace: str = "edge", targets: tuple[ServiceTarget, ...] = ()) -> ViewKey:
    """The View of gateway proxies that carry the label ``app: gw``."""
    return ViewKey(
        role=Role.GATEWAY,
        namespace=namespace,
        dns_domain=f"{namespace}.svc.cluster.local",
        labels=(("app", "gw"),),
        targets=targets,
    )


def references(db: Database, view: ViewKey) -> dict[str, ResourceReference]:
    """The route tables of a View by name."""
    found = route_references(db, view)
    assert len({reference.name for reference in found}) == len(found)
    return {reference.name: reference for reference in found}


def resource(db: Database, view: ViewKey, name: str) -> Resource:
    """One route table of a View."""
    reference = references(db, view)[name]
    built = reference.query(db, *reference.args)
    assert built is not None
    assert built.name == name
    return built


def table(db: Database, view: ViewKey, name: str) -> route_pb2.RouteConfiguration:
    """One route table of a View, after checking what Envoy would refuse the whole of it for."""
    built = resource(db, view, name)
    message = route_pb2.RouteConfiguration()
    message.ParseFromString(built.body)
    assert message.SerializeToString(deterministic=True) == built.body
    assert message.name == name
    names = [each.name for each in message.virtual_hosts]
    domains = [domain.lower() for each in message.virtual_hosts for domain in each.domains]
    assert len(set(names)) == len(names)
    assert len(set(domains)) == len(domains)
    assert all(each.domains for each in message.virtual_hosts)
    return message


def domains_of(message: route_pb2.RouteConfiguration) -> dict[str, list[str]]:
    """The domains of a table by name of the virtual host."""
    return {each.name: list(each.domains) for each in message.virtual_hosts}


def clusters_of(message: route_pb2.RouteConfiguration) -> dict[str, list[str]]:
    """The cluster of each route by name of the virtual host; other actions are named."""
    return {
        each.name: [route.route.cluster or str(route.WhichOneof("action")) for route in each.routes]
        for each in message.virtual_hosts
    }


def tree(message: Message | None) -> Tree:
    """A message as people read it."""
    assert message is not None
    found: Tree = MessageToDict(message, preserving_proto_field_name=True)
    return found


def _networking(kind: str, name: str, namespace: str, created: str, spec: object) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": spec,
        }
    )
