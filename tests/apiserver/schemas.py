"""What objects may hold: OpenAPI schemas, of built-in kinds from the official client's models, of others their own.

Types, required fields, enumerations, bounds and patterns are checked, and unknown fields are found and dropped.
"""

import functools
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.apiserver.document import Document
from tests.apiserver.kinds import ServedKind

_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
}
# Every object has these, whatever its schema says.
_OF_EVERY_OBJECT: Final = frozenset({"apiVersion", "kind", "metadata"})
# The model of a kind is named by its version and its kind, but for these.
_MODELS: Final = {("", "Event"): "CoreV1Event", ("events.k8s.io", "Event"): "EventsV1Event"}


@dataclass(slots=True)
class Verdict:
    """What is wrong with a document, by path; and the document without what no schema knows."""

    document: Any
    unknown: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def find_schema(kind: ServedKind, version: str) -> Document | None:
    """The schema of a kind; None when it says nothing."""
    if kind.custom:
        return kind.schemas.get(version) or None
    return _built_in(_MODELS.get((kind.group, kind.kind), f"{version.capitalize()}{kind.kind}"))


def judge(schema: Document, document: Document) -> Verdict:
    """Check a document against a schema."""
    verdict = Verdict(document)
    judge = _Judge(schema.get("$defs", {}), verdict)
    verdict.document = judge.visit(schema, document, "")
    return verdict


@functools.cache
def _built_in(model: str) -> Document | None:
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model).lower()
    try:
        found = importlib.import_module(f"kubernetes.client.models.{module}")
    except ModuleNotFoundError:
        return None
    schema: Document = getattr(found, model).model_json_schema(by_alias=True)
    return schema


@dataclass(slots=True)
class _Judge:
    definitions: Document
    verdict: Verdict

    def visit(self, schema: Document, value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
        """Check a value; returns it without its unknown fields."""
        schema = self._resolve(schema, value)
        if value is None or not _says_anything(schema):
            return value
        if not _is_of_type(schema, value):
            wanted = "integer or string" if schema.get(_INT_OR_STRING) else schema.get("type") or "another type"
            self._report(path, f'Invalid value: "{type(value).__name__}": must be of type {wanted}')
            return value
        if isinstance(value, dict):
            return self._object(schema, value, path)
        if isinstance(value, list):
            items = schema.get("items")
            return [self.visit(items, item, f"{path}[{n}]") for n, item in enumerate(value)] if items else value
        for problem in _scalar_problems(schema, value):
            self._report(path, problem)
        return value

    def _object(self, schema: Document, value: Document, path: str) -> Document:
        properties = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        kept: Document = {}
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if name in properties and not (not path and name == "metadata" and self._is_bare(properties[name])):
                kept[name] = self.visit(properties[name], item, inner)
            elif isinstance(others, dict):
                kept[name] = self.visit(others, item, inner)
            elif self._takes_anything(schema, name, path):
                kept[name] = item
            else:
                self.verdict.unknown.append(inner)
        for name in schema.get("required") or ():
            if value.get(name) is None:
                self._report(f"{path}.{name}" if path else name, "Required value")
        return kept

    @staticmethod
    def _takes_anything(schema: Document, name: str, path: str) -> bool:
        if schema.get(_PRESERVE) or schema.get("additionalProperties") is True:
            return True
        return name in _OF_EVERY_OBJECT and bool(not path or schema.get(_EMBEDDED))

    @staticmethod
    def _is_bare(schema: Document) -> bool:
        return not schema.get("properties") and "$ref" not in schema and "anyOf" not in schema

    def _resolve(self, schema: Document, value: Any) -> Document:  # noqa: ANN401 - JSON
        """The schema itself: behind a reference, or the alternative that fits."""
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        if schema.get(_INT_OR_STRING) or "anyOf" not in schema:
            return schema
        alternatives = [each for each in schema["anyOf"] if each.get("type") != "null"]
        resolved = [self._resolve(each, value) for each in alternatives]
        return next((each for each in resolved if _is_of_type(each, value)), resolved[0])

    def _report(self, path: str, problem: str) -> None:
        self.verdict.problems.append((path, problem))


def _says_anything(schema: Document) -> bool:
    return any(word in schema for word in ("type", "properties", _INT_OR_STRING))


def _is_of_type(schema: Document, value: Any) -> bool:  # noqa: ANN401 - JSON
    if schema.get(_INT_OR_STRING):
        return isinstance(value, int | str) and not isinstance(value, bool)
    wanted = schema.get("type")
    if wanted is None:
        return True
    if isinstance(value, bool):
        return bool(wanted == "boolean")
    return isinstance(value, _TYPES.get(wanted, (object,)))


def _scalar_problems(schema: Document, value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(f'"{each}"' for each in schema["enum"])
        yield f'Unsupported value: "{value}": supported values: {supported}'
    if "minimum" in schema and value < schema["minimum"]:
        yield f"Invalid value: {value}: should be greater than or equal to {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"Invalid value: {value}: should be less than or equal to {schema['maximum']}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"Invalid value: \"{value}\": should match '{schema['pattern']}'"
        if len(value) < schema.get("minLength", 0):
            yield f'Invalid value: "{value}": should be at least {schema["minLength"]} chars long'
        if len(value) > schema.get("maxLength", len(value)):
            yield f"Too long: may not be more than {schema['maxLength']} bytes"
