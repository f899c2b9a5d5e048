"""Documents and API responses into typed objects: never raises on what a user wrote, reports all of it at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import msgspec

from translator.diagnostics import Severity, Violation
from translator.foreign import judge_foreign
from translator.objects.meta import MeshObject
from translator.objects.registry import BY_KIND, Kind, KindSpec, ObjectKey, find_kind
from translator.objects.sharing import share_parts
from translator.shape import ShapeCheck, decode_custom, unknown_field

_StructT = TypeVar("_StructT", bound=msgspec.Struct)

_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of one document.

    ``object`` is None if a violation is an ERROR, or if the kind is not read (``ignored``). ``draft`` is then what
    the document says apart from what is unknown or of a wrong type: to look for more faults in, not to be used, and
    what is found at or around a path of ``doubtful`` may be wrong. ``label`` names the document as far as it is known,
    also where there is no ``key``.
    """

    label: str
    key: ObjectKey | None = None
    object: MeshObject | None = None
    draft: MeshObject | None = None
    doubtful: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    ignored: bool = False


def iter_documents(document: object) -> Iterator[object]:
    """The objects in a document: the items of a list (``List``, ``VirtualServiceList``, ...), or the document itself.

    An empty document holds nothing. Items of a typed list inherit its ``apiVersion`` and kind.
    """
    waiting = [document]
    while waiting:
        head = waiting.pop()
        items = _list_items(head)
        if items is not None:
            waiting.extend(reversed(items))
        elif head is not None:
            yield head


def decode_object(document: object, *, default_namespace: str = "default") -> Decoded:
    """Decode one parsed YAML or JSON document.

    An object of a namespaced kind that names no namespace gets the default one. Unknown fields of Istio's kinds
    are errors at every depth, as with strict field validation of the API server.
    """
    if not isinstance(document, Mapping):
        return Decoded("document", violations=(Violation("", "expected an object with apiVersion, kind and metadata"),))
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if not (isinstance(api_version, str) and isinstance(kind, str) and api_version and kind):
        return Decoded(_label(document, default_namespace), violations=_missing_type(api_version, kind))
    spec = find_kind(api_version, kind)
    if spec is None:
        verdict = judge_foreign(api_version, kind)
        ignored = verdict is None or verdict.severity is not Severity.ERROR
        label = _label(document, default_namespace)
        return Decoded(label, violations=(verdict,) if verdict else (), ignored=ignored)
    return _decode_known(spec, document, default_namespace)


def decode_json(kind: Kind, raw: bytes) -> Decoded:
    """Decode one object of a known kind straight from a response of the Kubernetes API.

    This is the fast path for what the API server has already checked; only a fault costs a second look.
    """
    spec = BY_KIND[kind]
    try:
        found = _json_decoder(spec.struct).decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _decode_faulty_json(spec, raw)
    return _decoded(spec, found)


def decode_record(document: object, record: type[_StructT]) -> tuple[_StructT | None, tuple[Violation, ...]]:
    """A record that is not an object by itself, such as MeshConfig; None if there are violations."""
    converted = _convert(document, record)
    return (None if converted.violations else converted.record), converted.violations


@dataclass(frozen=True, slots=True)
class _Converted(Generic[_StructT]):
    """The record as far as it can be told, its violations, and which of its fields are doubtful because of them."""

    record: _StructT | None
    violations: tuple[Violation, ...] = ()
    doubtful: tuple[str, ...] = ()


def _convert(document: object, record: type[_StructT]) -> _Converted[_StructT]:
    try:
        return _Converted(msgspec.convert(document, record, dec_hook=decode_custom))
    except (msgspec.ValidationError, RecursionError):
        return _convert_checked(document, record)


def _decode_known(spec: KindSpec, document: Mapping[str, object], default_namespace: str) -> Decoded:
    converted = _convert(document, spec.struct)
    found, violations = converted.record, converted.violations + _unknown_top_level(spec, document)
    if found is None:
        key = _guess_key(spec, document, default_namespace)
        return Decoded(_label(document, default_namespace), key=key, violations=violations)
    namespace = (found.metadata.namespace or default_namespace) if spec.namespaced else ""
    if namespace != found.metadata.namespace:
        metadata = msgspec.structs.replace(found.metadata, namespace=namespace)
        found = msgspec.structs.replace(found, metadata=metadata)
    if violations:
        key = _guess_key(spec, document, default_namespace)
        label, doubtful = _label(document, default_namespace), converted.doubtful
        return Decoded(label, key=key, draft=found, doubtful=doubtful, violations=violations)
    return _decoded(spec, found)


def _decoded(spec: KindSpec, found: MeshObject) -> Decoded:
    share_parts(found)
    key = ObjectKey(spec.kind, found.metadata.namespace, found.metadata.name)
    if not key.name:
        return Decoded(str(key), violations=(Violation("metadata.name", "must not be empty"),))
    return Decoded(str(key), key=key, object=found)


def _decode_faulty_json(spec: KindSpec, raw: bytes) -> Decoded:
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        return Decoded(str(spec.kind), violations=(Violation("", f"not JSON: {fault}"),))
    if not isinstance(document, dict):
        return Decoded(str(spec.kind), violations=(Violation("", "expected an object"),))
    # List responses leave apiVersion and kind out of their items.
    return _decode_known(spec, {**document, "kind": spec.kind.bare}, "")


def _convert_checked(document: object, record: type[_StructT]) -> _Converted[_StructT]:
    check = ShapeCheck()
    found = None
    try:
        found = msgspec.convert(check.conform(document, record), record, dec_hook=decode_custom)
    except msgspec.ValidationError as fault:
        check.violations.append(Violation("", str(fault)))
    except RecursionError:
        check.violations.append(Violation("", "nested too deeply"))
    return _Converted(found, tuple(check.violations), tuple(check.doubtful))


@cache
def _json_decoder(struct: type[_StructT]) -> msgspec.json.Decoder[_StructT]:
    return msgspec.json.Decoder(struct, dec_hook=decode_custom)


def _list_items(document: object) -> list[object] | None:
    if not isinstance(document, Mapping):
        return None
    kind, items = document.get("kind"), document.get("items")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        return None
    if kind == "List":
        return items
    inherited = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")}
    return [{**inherited, **item} if isinstance(item, Mapping) else item for item in items]


def _missing_type(api_version: object, kind: object) -> tuple[Violation, ...]:
    fields = (("apiVersion", api_version), ("kind", kind))
    return tuple(
        Violation(path, "required field is missing" if value in (None, "") else "expected str")
        for path, value in fields
        if not isinstance(value, str) or not value
    )


def _unknown_top_level(spec: KindSpec, document: Mapping[str, object]) -> tuple[Violation, ...]:
    """Faults beside ``spec``: the record of a whole object is lenient because ``status`` is not read everywhere."""
    if not spec.is_istio:
        return ()
    unknown = [str(key) for key in document if key not in _TOP_LEVEL]
    return tuple(unknown_field(key, key, _TOP_LEVEL) for key in unknown)


def _guess_key(spec: KindSpec, document: Mapping[str, object], default_namespace: str) -> ObjectKey | None:
    name, namespace = _identity(document)
    if not name:
        return None
    return ObjectKey(spec.kind, (namespace or default_namespace) if spec.namespaced else "", name)


def _label(document: Mapping[str, object], default_namespace: str) -> str:
    kind = document.get("kind")
    name, namespace = _identity(document)
    place = f"{namespace or default_namespace}/{name}" if namespace or default_namespace else name
    return f"{kind if isinstance(kind, str) and kind else 'object'} {place if name else '(no name)'}"


def _identity(document: Mapping[str, object]) -> tuple[str, str]:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return "", ""
    name, namespace = metadata.get("name"), metadata.get("namespace")
    return name if isinstance(name, str) else "", namespace if isinstance(namespace, str) else ""
