"""The three kinds of patches: JSON patch, JSON merge patch and Kubernetes' strategic merge patch."""

import copy
from collections.abc import Sequence
from typing import Any, Final

from tests.apiserver.document import Document
from tests.apiserver.errors import ApiError, bad_request

_DIRECTIVE: Final = "$patch"
_ORDER: Final = "$setElementOrder/"
_REMOVE: Final = "$deleteFromPrimitiveList/"
_RETAIN: Final = "$retainKeys"
# Kubernetes: lists of objects that are merged by a key, by the name of the field; all others are replaced.
_MERGE_KEYS: Final = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "webhooks": "name",
}
# Lists of plain values that are merged as sets.
_SETS: Final = frozenset({"finalizers"})
_MISSING: Final = object()


def merge_patch(document: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    """RFC 7396: null removes, objects are merged, everything else is replaced."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(document: Document, operations: Any) -> Document:  # noqa: ANN401 - JSON
    """RFC 6902. Raises ApiError 422 when an operation cannot be done, 400 when it is none."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    result = copy.deepcopy(document)
    for operation in operations:
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            message = f"the server rejected our request due to an error in our request: {error}"
            raise ApiError(422, "Invalid", message) from error
    return result


def _operate(document: Any, operation: Document) -> Any:  # noqa: ANN401 - JSON
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _insert(document, path, operation["value"])
        case "remove":
            return _remove(document, path)
        case "replace":
            _resolve(document, path)
            return _insert(_remove(document, path), path, operation["value"]) if path else operation["value"]
        case "test":
            if _resolve(document, path) != operation["value"]:
                raise ValueError(f"testing path {operation['path']} value failed")
            return document
        case "move":
            source = _pointer(operation["from"])
            return _insert(_remove(document, source), path, _resolve(document, source))
        case "copy":
            return _insert(document, path, copy.deepcopy(_resolve(document, _pointer(operation["from"]))))
        case other:
            raise ValueError(f"unexpected kind: {other}")


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _resolve(document: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _insert(document: Any, path: Sequence[str], value: Any) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return value
    parent, last = _resolve(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        position = len(parent) if last == "-" else int(last)
        if not 0 <= position <= len(parent):
            raise IndexError(f"index {position} is out of bounds")
        parent.insert(position, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    parent, last = _resolve(document, path[:-1]), path[-1]
    # A copy along the path: a "move" reads its value afterwards.
    kept = copy.deepcopy(document)
    parent = _resolve(kept, path[:-1])
    del parent[int(last) if isinstance(parent, list) else last]
    return kept


def strategic_merge(document: Any, patch: Any, field: str = "") -> Any:  # noqa: ANN401 - JSON
    """Kubernetes' own merge: some lists are merged by a key, and directives delete or replace."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return None
    live = dict(document) if isinstance(document, dict) and directive != "replace" else {}
    retained = patch.get(_RETAIN)
    if retained is not None:
        live = {name: value for name, value in live.items() if name in retained}
    for name, value in patch.items():
        if name.startswith(_REMOVE):
            plain = name.removeprefix(_REMOVE)
            live[plain] = [item for item in live.get(plain) or () if item not in value]
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(live, name, value)
    return live


def _merge_field(live: Document, name: str, value: Any) -> None:  # noqa: ANN401 - JSON
    if value is None:
        live.pop(name, None)
    elif isinstance(value, list):
        live[name] = _merge_list(live.get(name), value, name)
    else:
        merged = strategic_merge(live.get(name), value, name)
        if merged is None:
            live.pop(name, None)
        else:
            live[name] = merged


def _merge_list(live: Any, patch: list[Any], field: str) -> list[Any]:  # noqa: ANN401 - JSON
    old = live if isinstance(live, list) else []
    if field in _SETS:
        return old + [item for item in patch if item not in old]
    key = merge_key(field, patch)
    if not key:
        return patch
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        old = []
    merged = {item.get(key): item for item in old}
    for item in patch:
        directive = item.get(_DIRECTIVE)
        if directive == "delete":
            merged.pop(item.get(key), None)
        elif directive != "replace" or len(item) > 1:
            merged[item.get(key)] = strategic_merge(merged.get(item.get(key)), item)
    return list(merged.values())


def merge_key(field: str, items: Sequence[Any]) -> str:
    """The key by which the list in a field of this name is merged; "" when it is replaced."""
    if not all(isinstance(item, dict) for item in items):
        return ""
    if field == "ports":
        # Of containers, of Services, or of neither.
        return next((key for key in ("containerPort", "port") if any(key in item for item in items)), "")
    return _MERGE_KEYS.get(field, "")
