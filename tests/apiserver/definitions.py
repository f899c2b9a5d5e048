"""CustomResourceDefinitions of the mesh's kinds, as Istio's installation brings them, but without their schemas."""

from collections.abc import Iterator

from tests.apiserver.document import Document
from translator.objects.registry import KINDS, KindSpec


def mesh_definitions() -> Iterator[Document]:
    """One definition for every kind of Istio's that is translated."""
    for spec in KINDS:
        if spec.is_istio:
            yield definition(spec)


def definition(spec: KindSpec) -> Document:
    """The definition of one kind; the first version is the one that is stored."""
    kind = str(spec.kind)
    singular = kind.lower()
    plural = f"{singular[:-1]}ies" if singular.endswith(("ry", "cy")) else f"{singular}s"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": singular}
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
    body = {"group": spec.group, "names": names, "scope": "Namespaced", "versions": versions}
    api_version = "apiextensions.k8s.io/v1"
    metadata = {"name": f"{plural}.{spec.group}"}
    return {"apiVersion": api_version, "kind": "CustomResourceDefinition", "metadata": metadata, "spec": body}
