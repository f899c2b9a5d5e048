"""Golden cases: a folder of objects and a proxy on one side, the Envoy resources that come of it on the other.

A case is a folder with ``input.yaml`` (objects), ``proxy.yaml`` (see ``Viewer``) and ``expected.yaml``, which
``make golden`` rewrites. Keep to one behaviour a case, and show only the resources that the behaviour is about.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import yaml
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from translator.decode import decode_object, iter_documents
from translator.model.proxy import Capture, Proxy, Role
from translator.objects.mesh_config import MeshConfig
from translator.settings import Settings
from translator.store import Write
from translator.translator import Translator
from xds.resource import Resource
from xds.types import BY_SHORT_NAME

MESSAGES: Mapping[str, type[Message]] = {
    "cds": cluster_pb2.Cluster,
    "eds": endpoint_pb2.ClusterLoadAssignment,
    "lds": listener_pb2.Listener,
    "rds": route_pb2.RouteConfiguration,
}


class Viewer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The proxy of a case, what to show of it (patterns of resource names by type), and the mesh settings."""

    role: Role = Role.SIDECAR
    namespace: str = "default"
    name: str = "client"
    ip: str = "10.0.0.9"
    labels: dict[str, str] = {}
    locality: str = ""
    capture: Capture = Capture.REDIRECT
    has_identity: bool = False
    show: dict[str, list[str]] = {}
    mesh: MeshConfig = MeshConfig()

    def proxy(self) -> Proxy:
        """The connected proxy that this describes."""
        return Proxy(
            role=self.role,
            name=self.name,
            namespace=self.namespace,
            addresses=tuple(self.ip.split(",")),
            dns_domain=f"{self.namespace}.svc.cluster.local",
            labels=tuple(sorted(self.labels.items())),
            locality=self.locality,
            capture=self.capture,
            has_identity=self.has_identity,
            reserved_ports=(15021, 15090),
        )


class Case:
    """One golden case on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = msgspec.yaml.decode((folder / "proxy.yaml").read_bytes(), type=Viewer)

    def resources(self) -> dict[str, dict[str, Resource]]:
        """Everything that the proxy sees, by short type name and resource name."""
        translator = Translator(Settings(mesh=self.viewer.mesh))
        translator.apply(self._writes())
        binding = translator.bind(self.viewer.proxy())
        for _ in binding.view.refresh():
            pass
        binding.view.commit()
        assert not binding.view.failures
        return {short: dict(sorted(binding.view.resources(BY_SHORT_NAME[short]).items())) for short in MESSAGES}

    def shown(self) -> dict[str, list[Any]]:
        """The resources that the case is about, as people read them."""
        return {
            short: [
                MessageToDict(decode(short, resource), preserving_proto_field_name=True)
                for name, resource in resources.items()
                if any(fnmatchcase(name, pattern) for pattern in self.viewer.show.get(short, ()))
            ]
            for short, resources in self.resources().items()
            if short in self.viewer.show
        }

    def _writes(self) -> Iterator[Write]:
        for document in yaml.safe_load_all((self.folder / "input.yaml").read_text()):
            for each in iter_documents(document):
                decoded = decode_object(each)
                assert decoded.key is not None, decoded.violations
                assert decoded.object is not None, decoded.violations
                yield Write(decoded.key, decoded.object)


def decode(short: str, resource: Resource) -> Message:
    """The message of a resource."""
    message = MESSAGES[short]()
    message.ParseFromString(resource.body)
    return message
