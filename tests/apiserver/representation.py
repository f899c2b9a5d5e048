"""How objects and lists are sent: whole, as metadata only, or as the table that ``kubectl get`` prints."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tests.apiserver.document import Document, find, metadata_of, name_of, without
from tests.apiserver.objects import Page
from tests.apiserver.requests import Target

Convert = Callable[[Document], Document]

_ACCEPTED: Final = re.compile(r"(?:^|[;\s])as=(Table|PartialObjectMetadataList|PartialObjectMetadata)\b")
_GROUP: Final = "meta.k8s.io/v1"


def wanted_form(accept: str) -> str:
    """What the first acceptable media type asks for: "Table", "PartialObjectMetadata", or "" for whole objects."""
    for media_type in accept.split(","):
        if "application/json" not in media_type and "*/*" not in media_type:
            continue
        match = _ACCEPTED.search(media_type)
        return match[1].removesuffix("List") if match else ""
    return ""


def show_object(target: Target, document: Document, form: str) -> Document:
    """One object in the form that was asked for."""
    if form == "Table":
        return _table(target, [document], {"resourceVersion": metadata_of(document).get("resourceVersion", "")})
    whole = target.convert(document)
    return _metadata_only(whole) if form else whole


def show_list(target: Target, page: Page, form: str) -> Document:
    """A list in the form that was asked for."""
    metadata: Document = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining:
        metadata["remainingItemCount"] = page.remaining
    if form == "Table":
        return _table(target, page.items, metadata)
    if form:
        items = [_metadata_only(target.convert(item)) for item in page.items]
        return {"kind": "PartialObjectMetadataList", "apiVersion": _GROUP, "metadata": metadata, "items": items}
    if target.kind.custom:
        items = [target.convert(item) for item in page.items]
    else:
        # Kubernetes: the items of a list say their kind only where it is a custom one.
        items = [without(item, "kind", "apiVersion") for item in page.items]
    api_version = target.api_version
    return {"kind": f"{target.kind.kind}List", "apiVersion": api_version, "metadata": metadata, "items": items}


def show_event(target: Target, event: Document, form: str) -> Document:
    """An event of a watch in the form that was asked for."""
    document = event["object"]
    if not form or document["kind"] == "Status":
        return event
    if form == "Table" and event["type"] == "BOOKMARK":
        return event | {"object": _table(target, [], {"resourceVersion": metadata_of(document)["resourceVersion"]})}
    return event | {"object": show_object(target, document, form)}


def _metadata_only(document: Document) -> Document:
    return {"kind": "PartialObjectMetadata", "apiVersion": _GROUP, "metadata": metadata_of(document)}


def _table(target: Target, items: Sequence[Document], metadata: Document) -> Document:
    columns = _columns(target)
    rows = [
        {"cells": [_cell(item, column) for column in columns], "object": _metadata_only(target.convert(item))}
        for item in items
    ]
    definitions = [
        {"name": name, "type": kind, "format": "", "description": name, "priority": 0} for name, kind, _ in columns
    ]
    return {"kind": "Table", "apiVersion": _GROUP, "metadata": metadata, "columnDefinitions": definitions, "rows": rows}


def _columns(target: Target) -> list[tuple[str, str, str]]:
    """The name, the type and the path of each column."""
    custom = [
        (column["name"], column["type"], column["jsonPath"].removeprefix("."))
        for column in target.kind.columns.get(target.version, ())
        if not column.get("priority") and column["name"] != "Age"
    ]
    columns = custom or [(name, "string", path) for name, path in _PRINTED.get(target.kind.table, ())]
    return [("Name", "string", "metadata.name"), *columns, ("Age", "date", "metadata.creationTimestamp")]


_PRINTED: Final[dict[tuple[str, str], tuple[tuple[str, str], ...]]] = {
    ("", "namespaces"): (("Status", "status.phase"),),
    ("", "pods"): (("Status", "status.phase"), ("IP", "status.podIP"), ("Node", "spec.nodeName")),
    ("", "services"): (("Type", "spec.type"), ("Cluster-IP", "spec.clusterIP")),
    ("", "secrets"): (("Type", "type"),),
    ("apps", "deployments"): (("Desired", "spec.replicas"), ("Available", "status.availableReplicas")),
    ("coordination.k8s.io", "leases"): (("Holder", "spec.holderIdentity"),),
    ("discovery.k8s.io", "endpointslices"): (("AddressType", "addressType"),),
}


def _cell(item: Document, column: tuple[str, str, str]) -> Any:  # noqa: ANN401 - JSON
    name, kind, path = column
    if path == "metadata.name":
        return name_of(item)
    value = find(item, path)
    if kind == "date":
        return _age(str(value or "")) if name == "Age" else value
    return "<none>" if value is None else value


def _age(since: str) -> str:
    try:
        begun = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - begun).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"
