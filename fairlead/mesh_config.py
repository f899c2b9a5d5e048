"""Istio's MeshConfig and MeshNetworks out of YAML documents; those of MeshConfig are laid over one another."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fairlead.sources.yaml_reader import YamlError, read_documents
from translator.decode import decode_record
from translator.diagnostics import Severity
from translator.objects.mesh_config import MeshConfig
from translator.objects.mesh_networks import MeshNetworks
from translator.validation.mesh_config import validate_mesh_config

Document = Mapping[str, Any]

# Istio: what the ConfigMap keeps them under.
MESH_KEY: Final = "mesh"
NETWORKS_KEY: Final = "meshNetworks"

_MERGED: Final = frozenset({"defaultConfig", "defaultProviders"})


class ReadMeshConfig(NamedTuple):
    """The configuration, or None and what is wrong with it."""

    mesh: MeshConfig | None
    faults: tuple[str, ...] = ()


class ReadMeshNetworks(NamedTuple):
    """The networks, or None and what is wrong with them."""

    networks: MeshNetworks | None
    faults: tuple[str, ...] = ()


class MeshDocuments(NamedTuple):
    """What a file of mesh-wide settings holds, as it was written."""

    mesh: Document
    networks: Document


def read_mesh_documents(source: bytes) -> MeshDocuments:
    """MeshConfig by itself, or both out of the ConfigMap ``istio``. Raises YamlError."""
    document = read_document(source)
    if document.get("kind") != "ConfigMap":
        return MeshDocuments(document, {})
    data = document.get("data")
    texts = data if isinstance(data, dict) else {}
    mesh, networks = (read_document(str(texts.get(key) or "").encode()) for key in (MESH_KEY, NETWORKS_KEY))
    return MeshDocuments(mesh, networks)


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
    if mesh is not None:
        violations = tuple(each for each in validate_mesh_config(mesh) if each.severity is Severity.ERROR)
    return ReadMeshConfig(None if violations else mesh, tuple(map(str, violations)))


def read_mesh_networks(document: Document) -> ReadMeshNetworks:
    """MeshNetworks from a document."""
    networks, violations = decode_record(document, MeshNetworks)
    return ReadMeshNetworks(networks, tuple(map(str, violations)))


def _overlay(name: str, below: Any, above: Any) -> Any:  # noqa: ANN401 - YAML
    if name in _MERGED and isinstance(below, dict) and isinstance(above, dict):
        return {**below, **above}
    if name == "extensionProviders" and isinstance(below, list) and isinstance(above, list):
        replaced = {each.get("name") for each in above if isinstance(each, dict)}
        return [each for each in below if not (isinstance(each, dict) and each.get("name") in replaced)] + above
    if name == "trustDomainAliases" and isinstance(below, list) and isinstance(above, list):
        return sorted({*map(str, below), *map(str, above)})
    return above
