"""CustomResourceDefinitions of the mesh's kinds, as Istio and the Gateway API bring them, but without schemas."""

from collections.abc import Iterator

from tests.apiserver.document import Document
from tests.apiserver.kinds import BUILT_IN
from translator.objects.registry import KINDS, KindSpec

_BUILT_IN_GROUPS = frozenset(kind.group for kind in BUILT_IN)


def mesh_definitions() -> Iterator[Document]:
    """One definition for every kind that is translated and that Kubernetes does not bring."""
    for spec in KINDS:
        if spec.group not in _BUILT_IN_GROUPS:
            yield definition(spec)


def plural(kind: str) -> str:
    """The plural name of a kind, as it stands in paths."""
    singular = kind.lower()
    if singular.endswith(("ry", "cy")):
        return f"{singular[:-1]}ies"
    return f"{singular}es" if singular.endswith("s") else f"{singular}s"


def definition(spec: KindSpec) -> Document:
    """The definition of one kind; the first version is the one that is stored."""
    kind = spec.kind.bare
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural(kind), "singular": kind.lower()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": version,
            "served": True,
            "storage": version == spec.versions[0],
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        }
        for version in spec.versions
    ]
    scope = "Namespaced" if spec.namespaced else "Cluster"
    body = {"group": spec.group, "names": names, "scope": scope, "versions": versions}
    # Kubernetes: groups below k8s.io are its own, and who defines a kind in one says who agreed.
    annotations = {"api-approved.kubernetes.io": "unapproved, for tests"}
    metadata = {"name": f"{plural(kind)}.{spec.group}", "annotations": annotations}
    api_version = "apiextensions.k8s.io/v1"
    return {"apiVersion": api_version, "kind": "CustomResourceDefinition", "metadata": metadata, "spec": body}
