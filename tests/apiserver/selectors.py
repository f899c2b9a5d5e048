"""Label and field selectors, as they stand in queries."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.apiserver.document import Document, find, metadata_of
from tests.apiserver.errors import bad_request

Selector = Callable[[Document], bool]

_REQUIREMENT: Final = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<absent_key>[\w./-]+)
      | (?P<key>[\w./-]+)\s*(?:
            (?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)
          | (?P<set>in|notin)\s*\((?P<values>[^)]*)\)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)
_FIELD: Final = re.compile(r"([\w.\[\]/-]+)\s*(==|!=|=)\s*([^,]*)")
# Kubernetes: the fields of a kind that can be selected by, besides the name and the namespace.
SELECTABLE_FIELDS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("", "pods"): frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        }
    ),
    ("", "nodes"): frozenset({"spec.unschedulable"}),
    ("", "namespaces"): frozenset({"status.phase"}),
    ("", "secrets"): frozenset({"type"}),
    ("", "services"): frozenset({"spec.clusterIP", "spec.type"}),
    ("", "events"): frozenset(
        {
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "reason",
            "reportingComponent",
            "type",
        }
    ),
}


def everything(document: Document) -> bool:
    """Select all."""
    del document
    return True


def parse_selectors(labels: str, fields: str, resource: tuple[str, str]) -> Selector:
    """What satisfies both selectors. Raises ApiError 400 for one that is not well formed or not supported."""
    by_label = _parse_labels(labels) if labels.strip() else None
    by_field = _parse_fields(fields, resource) if fields.strip() else None
    if by_label and by_field:
        return lambda document: by_label(document) and by_field(document)
    return by_label or by_field or everything


def _parse_labels(text: str) -> Selector:
    requirements = []
    position = 0
    while position < len(text):
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise bad_request(f'unable to parse requirement: invalid selector "{text}"')
        requirements.append(_requirement(match))
        position = match.end()

    def select(document: Document) -> bool:
        labels = metadata_of(document).get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return select


def _requirement(match: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    if match["absent"]:
        absent = match["absent_key"]
        return lambda labels: absent not in labels
    key = match["key"]
    if match["set"]:
        values = frozenset(value.strip() for value in match["values"].split(","))
        wanted = match["set"] == "in"
        return lambda labels: (labels.get(key) in values) == wanted
    if match["operator"]:
        value, equal = match["value"], match["operator"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    return lambda labels: key in labels


def _parse_fields(text: str, resource: tuple[str, str]) -> Selector:
    known = SELECTABLE_FIELDS.get(resource, frozenset()) | {"metadata.name", "metadata.namespace"}
    requirements = []
    own = SELECTABLE_FIELDS.get(resource)
    for part in text.split(","):
        match = _FIELD.fullmatch(part.strip())
        if match is None:
            raise bad_request(f'invalid field selector "{text}"')
        path, operator, value = match.groups()
        if path not in known:
            if own:
                raise bad_request(f"field label not supported: {path}")
            raise bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')
        requirements.append((path, value, operator != "!="))
    return lambda document: all((_text(find(document, path)) == value) == equal for path, value, equal in requirements)


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
