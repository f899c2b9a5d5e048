"""OpenAPI v3 as far as kubectl asks for it: which kinds there are, their schemas, and that the server validates."""

from typing import Any

from tests.apiserver.document import Document
from tests.apiserver.kinds import KindRegistry, ServedKind
from tests.apiserver.schemas import find_schema

_FIELD_VALIDATION = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}


def find(kinds: KindRegistry, path: list[str]) -> Document | None:
    """What is at a path; None where there is nothing."""
    match path:
        case ["openapi", "v3"]:
            return index(kinds)
        case ["openapi", "v3", "api", version]:
            return describe(kinds, "", version)
        case ["openapi", "v3", "apis", group, version]:
            return describe(kinds, group, version)
        case _:
            return None


def index(kinds: KindRegistry) -> Document:
    """``/openapi/v3``: where the document of each version is."""
    paths = {}
    for group, versions in kinds.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
    return {"paths": paths}


def describe(kinds: KindRegistry, group: str, version: str) -> Document | None:
    """The document of one version."""
    served = [kind for kind in kinds if kind.group == group and version in kind.versions]
    if not served:
        return None
    schemas: Document = {}
    paths: Document = {}
    for kind in served:
        name = f"{group or 'core'}.{version}.{kind.kind}"
        schema = find_schema(kind, version) or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schemas |= {name: _move_references(each) for name, each in schema.get("$defs", {}).items()}
        own = {key: value for key, value in schema.items() if key != "$defs"}
        identity = {"group": group, "version": version, "kind": kind.kind}
        schemas[name] = _move_references(own) | {"x-kubernetes-group-version-kind": [identity]}
        paths[_path(kind, version)] = _operations(identity, name)
    info = {"title": "Kubernetes", "version": "v1.34.0"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _path(kind: ServedKind, version: str) -> str:
    root = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    return (
        f"{root}/namespaces/{{namespace}}/{kind.plural}/{{name}}"
        if kind.namespaced
        else f"{root}/{kind.plural}/{{name}}"
    )


def _operations(identity: Document, schema: str) -> Document:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    answer = {"responses": {"200": {"description": "OK", "content": content}}}
    common = {"x-kubernetes-group-version-kind": identity, "parameters": [_FIELD_VALIDATION], **answer}
    return {method: common | {"x-kubernetes-action": method} for method in ("get", "patch", "post", "put")}


def _move_references(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """The same schema with its references as they are in an OpenAPI document."""
    if isinstance(schema, list):
        return [_move_references(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _move_references(value) for key, value in schema.items()}
    if isinstance(moved.get("$ref"), str):
        moved["$ref"] = f"#/components/schemas/{moved['$ref'].rpartition('/')[2]}"
    return moved
