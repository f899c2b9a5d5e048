"""Discovery: which groups, versions and kinds there are, in the plain and in the aggregated form."""

from collections.abc import Iterator
from typing import Any, Final

from tests.apiserver.document import Document
from tests.apiserver.kinds import KindRegistry, ServedKind

VERSION: Final[Document] = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
_AGGREGATED: Final = "as=APIGroupDiscoveryList"
_AGGREGATED_VERSION: Final = "apidiscovery.k8s.io/v2"
_SUBRESOURCE_VERBS: Final = {"status": ["get", "patch", "update"], "scale": ["get", "patch", "update"]}
_SUBRESOURCE_KINDS: Final = {
    "scale": ("autoscaling", "v1", "Scale"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}


def wants_aggregated(accept: str) -> bool:
    """Whether a client takes all groups in one answer."""
    return _AGGREGATED in accept and "v=v2;" in f"{accept.replace(',', ';')};"


def aggregated_content_type() -> str:
    """The content type of the aggregated form."""
    return f"application/json;g=apidiscovery.k8s.io;v=v2;{_AGGREGATED}"


def core_versions(address: str) -> Document:
    """``/api``."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def group_list(kinds: KindRegistry) -> Document:
    """``/apis``."""
    groups = [_group(name, versions) for name, versions in kinds.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(kinds: KindRegistry, name: str) -> Document | None:
    """``/apis/GROUP``."""
    versions = kinds.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if name and versions else None


def resource_list(kinds: KindRegistry, name: str, version: str) -> Document | None:
    """``/api/v1`` and ``/apis/GROUP/VERSION``."""
    served = [kind for kind in kinds if kind.group == name and version in kind.versions]
    if not served:
        return None
    group_version = f"{name}/{version}" if name else version
    resources = [resource for kind in served for resource in _resources(kind)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def aggregated(kinds: KindRegistry, *, core: bool) -> Document:
    """``/api`` or ``/apis`` with all that is in them."""
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [_aggregated_version(kinds, name, version) for version in versions],
        }
        for name, versions in kinds.groups().items()
        if (not name) == core
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": _AGGREGATED_VERSION, "metadata": {}, "items": items}


def _group(name: str, versions: list[str]) -> Document:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(kind: ServedKind) -> Iterator[Document]:
    resource: Document = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    yield resource
    for name in kind.subresources:
        subresource = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
        group_name, version, kind_name = _SUBRESOURCE_KINDS.get(name, ("", "", kind.kind))
        if group_name:
            subresource |= {"group": group_name, "version": version}
        yield subresource | {"kind": kind_name, "verbs": _SUBRESOURCE_VERBS.get(name, ["update"])}


def _aggregated_version(kinds: KindRegistry, name: str, version: str) -> Document:
    resources = [
        _aggregated_resource(kind, version) for kind in kinds if kind.group == name and version in kind.versions
    ]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _aggregated_resource(kind: ServedKind, version: str) -> Document:
    own = {"group": kind.group, "version": version, "kind": kind.kind}
    resource: Document = {
        "resource": kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.kind.lower(),
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if kind.subresources:
        resource["subresources"] = [_aggregated_subresource(name, own) for name in kind.subresources]
    return resource


def _aggregated_subresource(name: str, own: Document) -> dict[str, Any]:
    other = _SUBRESOURCE_KINDS.get(name)
    response = dict(zip(("group", "version", "kind"), other, strict=True)) if other else own
    return {"subresource": name, "responseKind": response, "verbs": _SUBRESOURCE_VERBS.get(name, ["update"])}
