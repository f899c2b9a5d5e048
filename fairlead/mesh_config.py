"""Istio's MeshConfig out of YAML documents that are laid over one another."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fairlead.sources.yaml_reader import YamlError, read_documents
from translator.decode import decode_record
from translator.objects.mesh_config import MeshConfig

Document = Mapping[str, Any]

_MERGED: Final = frozenset({"defaultConfig", "defaultProviders"})


class ReadMeshConfig(NamedTuple):
    """The configuration, or None and what is wrong with it."""

    mesh: MeshConfig | None
    faults: tuple[str, ...] = ()


def read_document(source: bytes) -> Document:
    """The first document of a YAML text as plain values. Raises YamlError."""
    documents = list(read_documents(source))
    content = documents[0].content() if documents else None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise YamlError(1, f"expected object, got {type(content).__name__}")
    return content


def read_mesh_config(*documents: Document) -> ReadMeshConfig:
    """MeshConfig from documents, the later ones laid over the earlier ones.

    Istio: a field of a later document replaces that of an earlier one as a whole; defaultConfig and defaultProviders
    are merged field by field, extensionProviders by their names, trustDomainAliases are put together.
    """
    laid: dict[str, Any] = {}
    for document in documents:
        for name, value in document.items():
            laid[name] = _overlay(name, laid[name], value) if name in laid else value
    mesh, violations = decode_record(laid, MeshConfig)
    return ReadMeshConfig(mesh, tuple(map(str, violations)))


def _overlay(name: str, below: Any, above: Any) -> Any:  # noqa: ANN401 - YAML
    if name in _MERGED and isinstance(below, dict) and isinstance(above, dict):
        return {**below, **above}
    if name == "extensionProviders" and isinstance(below, list) and isinstance(above, list):
        replaced = {each.get("name") for each in above if isinstance(each, dict)}
        return [each for each in below if not (isinstance(each, dict) and each.get("name") in replaced)] + above
    if name == "trustDomainAliases" and isinstance(below, list) and isinstance(above, list):
        return sorted({*map(str, below), *map(str, above)})
    return above
