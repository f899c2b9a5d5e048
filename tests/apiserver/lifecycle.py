"""From creation to deletion: what becomes of an object's metadata and status on the way into the storage."""

import re
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.apiserver import defaults
from tests.apiserver.document import Document, find, metadata_of, name_of, revision_of, with_metadata, without
from tests.apiserver.errors import ApiError, bad_request, conflict, invalid
from tests.apiserver.kinds import ServedKind

_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# Kubernetes: names of these are used as path segments only.
_FREE_NAMES: Final = "rbac.authorization.k8s.io"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
# Fields of the metadata that belong to the server.
_OWNED: Final = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "name")


def now() -> str:
    """The time as it stands in objects."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_identity(kind: ServedKind, version: str, document: Document, namespace: str) -> Document:
    """The document of a request, checked against the path; kind and namespace may be left out."""
    expected = {"apiVersion": kind.api_version(version), "kind": kind.kind}
    for field, value in expected.items():
        got = document.get(field) or value
        if got != value:
            raise bad_request(f"the {field} in the data ({got}) does not match the expected {field} ({value})")
    given = metadata_of(document).get("namespace") or namespace
    if given != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    return with_metadata(document | expected, namespace=namespace or None)


def prepare_creation(kind: ServedKind, document: Document) -> Document:
    """A new object as it is stored, but for its revision."""
    metadata = metadata_of(document)
    if metadata.get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    if not metadata.get("name") and metadata.get("generateName"):
        suffix = "".join(secrets.choice(_ALPHABET) for _ in range(5))
        document = with_metadata(document, name=f"{metadata['generateName']}{suffix}")
    _check_name(kind, document)
    fields: Document = {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
    fields["generation"] = 1 if kind.generations else None
    fields |= {"deletionTimestamp": None, "deletionGracePeriodSeconds": None, "selfLink": None}
    created = with_metadata(document, **fields)
    if kind.has_status:
        created = without(created, "status") if kind.custom else defaults.initial_status(kind.table, created)
    return defaults.fill_in(kind.table, created)


def prepare_update(kind: ServedKind, old: Document, new: Document, subresource: str = "") -> Document:
    """An object as it is stored in place of the old one. ApiError 409 when it was not read from that one."""
    _check_preconditions(kind, old, new)
    kept = {name: metadata_of(old).get(name) for name in _OWNED}
    updated = with_metadata(new, **kept)
    if subresource == "status":
        updated = _replace_status(kind, old, updated)
    elif kind.has_status:
        updated = without(updated, "status") | ({"status": old["status"]} if "status" in old else {})
    updated = defaults.fill_in(kind.table, updated)
    if kind.table == ("", "services") and "clusterIP" not in (new.get("spec") or {}):
        updated = _keep_address(old, updated)
    if kind.generations and _desired(kind, updated) != _desired(kind, old):
        updated = with_metadata(updated, generation=int(metadata_of(old).get("generation") or 0) + 1)
    return updated


def is_finished(document: Document) -> bool:
    """Whether an object that is being deleted is waited for by nobody any more."""
    metadata = metadata_of(document)
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    is_namespace = document.get("kind") == "Namespace"
    held = find(document, "spec.finalizers") if is_namespace else metadata.get("deletionGracePeriodSeconds")
    return not held


def check_delete_options(kind: ServedKind, document: Document, options: Mapping[str, Any]) -> None:
    """Raise ApiError 409 unless the preconditions of a deletion hold."""
    wanted = options.get("preconditions") or {}
    metadata = metadata_of(document)
    for field, words in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(field) and wanted[field] != metadata.get(field):
            why = (
                f"Precondition failed: {words} in precondition: {wanted[field]}, "
                f"{words} in object meta: {metadata[field]}"
            )
            raise conflict(kind.plural, name_of(document), why, kind.group)


def prepare_deletion(kind: ServedKind, document: Document, options: Mapping[str, Any]) -> Document:
    """The object as it is while it is being deleted; when ``is_finished`` says so, it can go at once."""
    grace = _grace(kind, document, options.get("gracePeriodSeconds"))
    metadata = metadata_of(document)
    since = metadata.get("deletionTimestamp") or now()
    going = with_metadata(document, deletionTimestamp=since, deletionGracePeriodSeconds=grace)
    if not metadata.get("deletionTimestamp") and kind.generations:
        going = with_metadata(going, generation=int(metadata.get("generation") or 0) + 1)
    if kind.table == ("", "namespaces"):
        going = going | {"status": (going.get("status") or {}) | {"phase": "Terminating"}}
    return going


def _grace(kind: ServedKind, document: Document, wanted: int | None) -> int:
    # Kubernetes: only pods that run somewhere are given time; the kubelet removes them.
    if kind.table != ("", "pods") or not find(document, "spec.nodeName"):
        return 0
    if find(document, "status.phase") in {"Succeeded", "Failed"}:
        return 0
    if wanted is not None:
        return wanted
    return int(find(document, "spec.terminationGracePeriodSeconds") or 0)


def _check_name(kind: ServedKind, document: Document) -> None:
    name = name_of(document)
    if not name:
        causes = [("metadata.name", "Required value: name or generateName is required")]
        raise invalid(kind.kind, kind.group, name, causes)
    label = kind.table in {("", "namespaces"), ("", "services")}
    pattern = _LABEL if label else _SUBDOMAIN
    if kind.group == _FREE_NAMES:
        well_formed = "/" not in name and "%" not in name
    else:
        well_formed = pattern.fullmatch(name) is not None and len(name) <= (63 if label else 253)
    if not well_formed:
        form = "RFC 1123 label" if label else "RFC 1123 subdomain"
        text = f'Invalid value: "{name}": a lowercase {form} must consist of lower case alphanumeric characters'
        raise invalid(kind.kind, kind.group, name, [("metadata.name", text)])


def _check_preconditions(kind: ServedKind, old: Document, new: Document) -> None:
    name = name_of(old)
    uid, revision = metadata_of(new).get("uid"), revision_of(new)
    if uid and uid != metadata_of(old)["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata_of(old)['uid']}"
        raise conflict(kind.plural, name, why, kind.group)
    if not revision and not kind.unconditional_update:
        causes = [("metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update")]
        raise invalid(kind.kind, kind.group, name, causes)
    if revision and revision != revision_of(old):
        raise conflict(kind.plural, name, group=kind.group)


def _replace_status(kind: ServedKind, old: Document, new: Document) -> Document:
    status = {"status": new["status"]} if "status" in new else {}
    metadata = metadata_of(old) if kind.custom else metadata_of(new)
    kept = metadata | {"resourceVersion": metadata_of(old)["resourceVersion"]}
    return without(old, "status") | status | {"metadata": kept}


def _keep_address(old: Document, new: Document) -> Document:
    kept = {name: old["spec"][name] for name in ("clusterIP", "clusterIPs") if name in old["spec"]}
    return new | {"spec": new["spec"] | kept}


def _desired(kind: ServedKind, document: Document) -> Document:
    ignored = ("metadata", "apiVersion", *(("status",) if kind.has_status else ()))
    return without(document, *ignored)


def is_same(old: Document, new: Document) -> bool:
    """Whether a write would change nothing: then it gets no revision, and nobody is told."""
    return with_metadata(old, resourceVersion=None, managedFields=None) == with_metadata(
        new, resourceVersion=None, managedFields=None
    )
