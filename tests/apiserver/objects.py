"""The objects of the cluster and what can be done to them, without HTTP."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.apiserver import lifecycle
from tests.apiserver.document import Document, find, metadata_of, name_of, namespace_of, revision_of, with_metadata
from tests.apiserver.errors import (
    already_exists,
    bad_request,
    expired,
    forbidden,
    not_found,
    too_large_revision,
)
from tests.apiserver.kinds import KindRegistry, ServedKind
from tests.apiserver.requests import ListQuery, Target
from tests.apiserver.selectors import Selector
from tests.apiserver.storage import Storage

_NAMESPACES = ("", "namespaces")
_DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
_FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_TOKEN_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, as of one revision; the token leads to the next part."""

    items: list[Document]
    revision: int
    token: str = ""
    remaining: int = 0


class _Token(msgspec.Struct, frozen=True):
    revision: int  # -1: whatever is newest then
    after: tuple[str, str]


class Objects:
    """Reads and writes, with everything that the API server itself does about them."""

    def __init__(self, storage: Storage, kinds: KindRegistry) -> None:
        """Begin with what the storage holds; the namespaces that every cluster has are created."""
        self.storage = storage
        self.kinds = kinds
        for definition in storage.rows(_DEFINITIONS):
            kinds.install(definition)
        namespaces = kinds.find("", "v1", "namespaces")
        assert namespaces is not None
        for name in _FIRST_NAMESPACES:
            if storage.read(_NAMESPACES, ("", name)) is None:
                document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                storage.write(_NAMESPACES, ("", name), lifecycle.prepare_creation(namespaces, document))

    def read(self, target: Target) -> Document:
        """One object. ApiError 404 when there is none."""
        document = self.storage.read(target.kind.table, target.key)
        if document is None:
            raise not_found(target.kind.plural, target.name, target.kind.group)
        return document

    def list(self, target: Target, query: ListQuery, select: Selector) -> Page:
        """A list, or a page of one. ApiError 410 when it is too late for that page, 504 when it is too early."""
        if query.token:
            return self._next_page(target, query, select)
        newest = self.storage.revision
        wanted = int(query.revision or 0)
        if wanted > newest:
            raise too_large_revision(wanted, newest)
        exact = query.match == "Exact" or (query.limit and wanted and not query.match)
        revision = wanted if exact else newest
        rows = self.storage.list_at(target.kind.table, revision, target.namespace)
        return _cut(rows, _Token(revision, ("", "")), query, select)

    def create(self, target: Target, document: Document, *, dry_run: bool = False) -> Document:
        """Create an object. ApiError 409 when it exists, 404 when its namespace does not, 422 when it is invalid."""
        self._check_namespace(target)
        checked = lifecycle.check_identity(target.kind, target.version, document, target.namespace)
        created = lifecycle.prepare_creation(target.kind, checked)
        key = (target.namespace, name_of(created))
        if self.storage.read(target.kind.table, key) is not None:
            raise already_exists(target.kind.plural, key[1], target.kind.group)
        return created if dry_run else self._store(target.kind, key, created)

    def update(self, target: Target, document: Document, *, dry_run: bool = False) -> Document:
        """Replace an object, or its status. ApiError 404, 409, 422."""
        checked = lifecycle.check_identity(target.kind, target.version, document, target.namespace)
        if name_of(checked) != target.name:
            text = f"the name of the object ({name_of(checked)}) does not match the name on the URL ({target.name})"
            raise bad_request(text)
        old = self.storage.read(target.kind.table, target.key)
        if old is None:
            if target.kind.create_on_update and not target.subresource:
                return self.create(target, document, dry_run=dry_run)
            raise not_found(target.kind.plural, target.name, target.kind.group)
        new = lifecycle.prepare_update(target.kind, old, checked, target.subresource)
        if lifecycle.is_same(old, new):
            return old
        return with_metadata(new, resourceVersion=str(revision_of(old))) if dry_run else self._replace(target, new)

    def patch(self, target: Target, change: Callable[[Document], Document], *, dry_run: bool = False) -> Document:
        """Replace an object by what ``change`` makes of it."""
        old = target.convert(self.read(target))
        new = change(old)
        if not isinstance(new, dict):
            raise bad_request("the patch leaves no object")
        if not metadata_of(new).get("resourceVersion"):
            new = with_metadata(new, resourceVersion=metadata_of(old)["resourceVersion"])
        return self.update(target, new, dry_run=dry_run)

    def delete(self, target: Target, options: Mapping[str, Any], *, dry_run: bool = False) -> Document:
        """Delete an object, or begin to: its finalizers, its grace period and its contents are waited for."""
        old = self.read(target)
        lifecycle.check_delete_options(target.kind, old, options)
        going = lifecycle.prepare_deletion(target.kind, old, options)
        if dry_run:
            return going
        if lifecycle.is_finished(going):
            return self._remove(target.kind, target.key)
        if not lifecycle.is_same(old, going):
            going = self._store(target.kind, target.key, going)
        if target.kind.table == _NAMESPACES:
            self._empty(target.name)
        return going

    def put(self, document: Document) -> Document:
        """Write an object as its controllers would, status included; creates what is not there, its namespace too."""
        kind = self.kinds.by_kind(str(document["apiVersion"]), str(document["kind"]))
        if kind is None:
            raise LookupError(f"no such kind: {document['apiVersion']} {document['kind']}")
        key = (namespace_of(document) or "default", name_of(document)) if kind.namespaced else ("", name_of(document))
        document = with_metadata(document, namespace=key[0] or None)
        if kind.namespaced:
            self._ensure_namespace(key[0])
        old = self.storage.read(kind.table, key)
        status = {"status": document["status"]} if "status" in document else {}
        if old is None:
            return self._store(kind, key, lifecycle.prepare_creation(kind, document) | status)
        unversioned = with_metadata(document, resourceVersion=metadata_of(old)["resourceVersion"], uid=None)
        new = lifecycle.prepare_update(kind, old, unversioned) | status
        return old if lifecycle.is_same(old, new) else self._store(kind, key, new)

    def _next_page(self, target: Target, query: ListQuery, select: Selector) -> Page:
        try:
            token = msgspec.json.decode(base64.urlsafe_b64decode(query.token), type=_Token)
        except (ValueError, msgspec.DecodeError) as error:
            raise bad_request(f"continue key is not valid: {error}") from error
        if query.revision not in {"", "0"}:
            raise bad_request("specifying resource version is not allowed when using continue")
        newest = self.storage.revision
        revision = newest if token.revision < 0 else token.revision
        if revision < self.storage.compacted:
            raise expired(_TOKEN_EXPIRED, _encode(_Token(-1, token.after)))
        rows = self.storage.list_at(target.kind.table, revision, target.namespace)
        rest = [row for row in rows if (namespace_of(row), name_of(row)) > token.after]
        return _cut(rest, _Token(revision, token.after), query, select)

    def _replace(self, target: Target, new: Document) -> Document:
        """Store an update; an object of which only the finalizers were left goes with the last of them."""
        stored = self._store(target.kind, target.key, new)
        if lifecycle.is_finished(stored):
            self._remove(target.kind, target.key)
        return stored

    def _store(self, kind: ServedKind, key: tuple[str, str], document: Document) -> Document:
        if kind.table == _DEFINITIONS:
            document = _establish(document)
            self.kinds.install(document)
        return self.storage.write(kind.table, key, document)

    def _remove(self, kind: ServedKind, key: tuple[str, str]) -> Document:
        last = self.storage.delete(kind.table, key)
        if kind.table == _DEFINITIONS:
            self._remove_contents(last)
        if key[0]:
            self._finish_namespace(key[0])
        return last

    def _remove_contents(self, definition: Document) -> None:
        # Kubernetes: the objects of a kind go with its definition.
        table = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
        for row in self.storage.rows(table):
            self.storage.delete(table, (namespace_of(row), name_of(row)))
        self.kinds.remove(definition)

    def _empty(self, namespace: str) -> None:
        """Delete all that is in a namespace, as its controller does."""
        for kind in list(self.kinds):
            if not kind.namespaced:
                continue
            for row in self.storage.rows(kind.table, namespace):
                target = Target(kind, kind.versions[0], namespace, name_of(row), "", "delete")
                if self.storage.read(kind.table, target.key) is not None:
                    self.delete(target, {"gracePeriodSeconds": 0})
        self._finish_namespace(namespace)

    def _finish_namespace(self, name: str) -> None:
        namespace = self.storage.read(_NAMESPACES, ("", name))
        if namespace is None or not metadata_of(namespace).get("deletionTimestamp"):
            return
        held = any(self.storage.rows(kind.table, name) for kind in self.kinds if kind.namespaced)
        if held or metadata_of(namespace).get("finalizers"):
            return
        others = [each for each in find(namespace, "spec.finalizers") or () if each != "kubernetes"]
        if not others:
            self.storage.delete(_NAMESPACES, ("", name))

    def _check_namespace(self, target: Target) -> None:
        if not target.kind.namespaced:
            return
        if not target.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        namespace = self.storage.read(_NAMESPACES, ("", target.namespace))
        if namespace is None:
            raise not_found("namespaces", target.namespace)
        if metadata_of(namespace).get("deletionTimestamp"):
            text = f"unable to create new content in namespace {target.namespace} because it is being terminated"
            raise forbidden(target.kind.plural, target.name, text, target.kind.group)

    def _ensure_namespace(self, name: str) -> None:
        if self.storage.read(_NAMESPACES, ("", name)) is None:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _cut(rows: list[Document], token: _Token, query: ListQuery, select: Selector) -> Page:
    """The first page of rows; the rest is behind its token."""
    selected = [row for row in rows if select(row)]
    if not query.limit or len(selected) <= query.limit:
        return Page(selected, token.revision)
    items = selected[: query.limit]
    last = (namespace_of(items[-1]), name_of(items[-1]))
    # Kubernetes: how many remain is not said where a selector would have to count.
    remaining = 0 if query.label_selector or query.field_selector else len(selected) - query.limit
    return Page(items, token.revision, _encode(_Token(token.revision, last)), remaining)


def _encode(token: _Token) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def _establish(definition: Document) -> Document:
    """A CustomResourceDefinition as the server accepts it: its names are free, and it is served."""
    since = metadata_of(definition).get("creationTimestamp")
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": since, "reason": reason, "message": message}
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    spec = definition["spec"]
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    status = {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}
    return definition | {"status": status}
