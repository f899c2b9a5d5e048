"""The load as finished Envoy resources, for servers that cannot translate; and each change as resources again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from envoy.config.core.v3.base_pb2 import ControlPlane, Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.json_format import ParseDict

from fairlead.bench.load import Document
from fairlead.identity import ProxyIdentity
from translator.decode import decode_object
from translator.model.proxy import parse_node
from translator.settings import Settings
from translator.store import Write
from translator.translator import Translator
from translator.view import View
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl, short_name

_SERVED: Final = (CLUSTER, ENDPOINT, LISTENER, ROUTE)


class Portion(NamedTuple):
    """Resources of one type, and the classes of proxies that get them."""

    type_url: TypeUrl
    resources: tuple[Resource, ...]
    classes: tuple[str, ...]

    def encode(self) -> bytes:
        """A DiscoveryResponse whose control plane is named after the classes."""
        response = DiscoveryResponse(
            type_url=self.type_url, control_plane=ControlPlane(identifier=",".join(self.classes))
        )
        for resource in self.resources:
            response.resources.add(type_url=self.type_url, value=resource.body)
        return response.SerializeToString()


class TranslatedLoad:
    """A translator of its own that holds the load, and the View of each class of proxies."""

    def __init__(self, documents: Iterable[Document], proxies: Iterable[ProxyIdentity]) -> None:
        self._translator = Translator(Settings())
        self._translator.apply(map(_write_of, documents))
        self._views: dict[str, View] = {}
        self._node_clusters: dict[str, set[str]] = defaultdict(set)
        for identity in proxies:
            name = class_of(identity)
            self._node_clusters[name].add(identity.node_cluster)
            if name not in self._views:
                node = ParseDict(identity.node(), Node())
                self._views[name] = self._translator.bind(parse_node(node)).view
        for view in set(self._views.values()):
            _refresh(view)

    def node_clusters(self, name: str) -> list[str]:
        """What the proxies of a class give as their service clusters."""
        return sorted(self._node_clusters[name])

    def everything(self) -> Iterator[Portion]:
        """What every class gets."""
        for name, view in self._views.items():
            for type_url in _SERVED:
                yield Portion(type_url, tuple(view.resources(type_url).values()), (name,))

    def export(self, folder: Path) -> None:
        """Write what every class gets as CLASS/TYPE.pb, each a DiscoveryResponse."""
        for portion in self.everything():
            (name,) = portion.classes
            path = folder / name / f"{short_name(portion.type_url)}.pb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(portion.encode())

    def change(self, documents: Iterable[Document]) -> list[Portion]:
        """Write objects; what changed, for all who get the same together."""
        self._translator.apply(map(_write_of, documents))
        found: dict[tuple[TypeUrl, tuple[Resource, ...]], list[str]] = defaultdict(list)
        changes = {view: list(_refresh(view)) for view in set(self._views.values()) if view.is_stale}
        for name, view in self._views.items():
            for type_url, resources in changes.get(view, ()):
                found[type_url, resources].append(name)
        return [Portion(type_url, resources, tuple(names)) for (type_url, resources), names in found.items()]


def class_of(identity: ProxyIdentity) -> str:
    """The name of the class of proxies that get the same."""
    return f"{identity.role.value}.{identity.namespace}"


def _refresh(view: View) -> Iterator[tuple[TypeUrl, tuple[Resource, ...]]]:
    """Bring a View up to date; what changed by type. Nothing is ever removed by a change of the bench."""
    for _ in view.refresh():
        pass
    change = view.commit()
    changed = (
        (type_url, tuple(view.resources(type_url)[name] for name in sorted(names)))
        for type_url, names in change.items()
    )
    return iter(list(changed))


def _write_of(document: Document) -> Write:
    decoded = decode_object(document)
    if decoded.key is None or decoded.object is None:
        raise ValueError(f"{decoded.label}: {decoded.violations}")
    return Write(decoded.key, decoded.object)
