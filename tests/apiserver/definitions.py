"""CustomResourceDefinitions of the kinds of Istio and the Gateway API, but without their schemas."""

from collections.abc import Iterator

from tests.apiserver.document import Document
from translator.objects.registry import KINDS, KindSpec


def mesh_definitions() -> Iterator[Document]:
    """One definition for every kind of Istio's and the Gateway API's that is translated."""
    for spec in KINDS:
        if spec.is_custom:
            yield definition(spec)


def definition(spec: KindSpec) -> Document:
    """The definition of one kind; the first version is the one that is stored."""
    kind = spec.kind.bare
    singular = kind.lower()
    plural = _pluralize(singular)
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
    body = {
        "group": spec.group,
        "names": names,
        "scope": "Namespaced" if spec.namespaced else "Cluster",
        "versions": versions,
    }
    api_version = "apiextensions.k8s.io/v1"
    metadata = {"name": f"{plural}.{spec.group}"}
    return {"apiVersion": api_version, "kind": "CustomResourceDefinition", "metadata": metadata, "spec": body}


def _pluralize(singular: str) -> str:
    if singular.endswith(("ry", "cy")):
        return f"{singular[:-1]}ies"
    return singular + ("es" if singular.endswith("s") else "s")
