"""What a request means: its path and query, read as Kubernetes reads them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.apiserver.document import Document
from tests.apiserver.errors import ApiError, bad_request, invalid
from tests.apiserver.kinds import ServedKind

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_TRUE: Final = frozenset({"true", "1", "t", "T", "TRUE", "True"})
_ONE_NAME: Final = re.compile(r"metadata\.name==?([^,]+)")
# Subresources of a Namespace, which look like resources in one.
_OF_NAMESPACES: Final = frozenset({"finalize", "status"})


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """A path to objects of one kind."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A path with the kind that it leads to."""

    kind: ServedKind
    version: str
    namespace: str
    name: str
    subresource: str
    verb: str

    @property
    def key(self) -> tuple[str, str]:
        """The key in the storage."""
        return self.namespace, self.name

    @property
    def api_version(self) -> str:
        """The version that the caller speaks."""
        return self.kind.api_version(self.version)

    def convert(self, document: Document) -> Document:
        """An object in the version that the caller speaks: all versions have the same fields."""
        return document | {"apiVersion": self.api_version}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of a list and of a watch."""

    label_selector: str = ""
    field_selector: str = ""
    revision: str = ""
    match: str = ""
    limit: int = 0
    token: str = ""
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout: float | None = None


def parse_path(path: str) -> ResourcePath | None:
    """The resource that a path leads to; None when it leads to none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    match rest:
        case ["namespaces", name, subresource] if subresource in _OF_NAMESPACES:
            return ResourcePath(group, version, "namespaces", "", name, subresource)
        case ["namespaces", namespace, plural, *more] if len(more) <= 2:
            return ResourcePath(group, version, plural, namespace, *more)
        case [plural, *more] if plural and len(more) <= 2:
            return ResourcePath(group, version, plural, "", *more)
        case _:
            return None


def read_verb(method: str, path: ResourcePath, query: Mapping[str, str]) -> str:
    """The verb, as authorization knows it; "" for a method that has none."""
    if method in {"GET", "HEAD"}:
        if path.name:
            return "get"
        return "watch" if query.get("watch") in _TRUE else "list"
    if method == "DELETE":
        return "delete" if path.name else "deletecollection"
    return _VERBS.get(method, "")


def named_by(path: ResourcePath, query: Mapping[str, str]) -> str:
    """The object that a request is about: a list or watch of one name is about that."""
    if path.name:
        return path.name
    match = _ONE_NAME.fullmatch(query.get("fieldSelector", ""))
    return match[1] if match else ""


def read_list_query(query: Mapping[str, str], kind: ServedKind) -> ListQuery:
    """The parameters of a list or watch. Raises ApiError when they are wrong, or wrong together."""
    initial = query.get("sendInitialEvents")
    read = ListQuery(
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
        query.get("resourceVersion", ""),
        query.get("resourceVersionMatch", ""),
        int(query.get("limit") or 0),
        query.get("continue", ""),
        query.get("allowWatchBookmarks") in _TRUE,
        initial in _TRUE if initial else None,
        float(query["timeoutSeconds"]) if query.get("timeoutSeconds") else None,
    )
    if read.revision and not read.revision.isdigit():
        raise bad_request(
            f'Invalid value: "{read.revision}": strconv.ParseUint: parsing "{read.revision}": invalid syntax'
        )
    causes = list(_contradictions(read, watching=query.get("watch") in _TRUE))
    if causes:
        raise _invalid_options(kind, causes)
    return read


def _contradictions(query: ListQuery, *, watching: bool) -> list[tuple[str, str]]:
    found = []
    if watching:
        if query.initial_events is None and query.match:
            found.append(
                (
                    "resourceVersionMatch",
                    "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                )
            )
        if query.initial_events is not None and query.match != "NotOlderThan":
            found.append(
                (
                    "resourceVersionMatch",
                    "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                )
            )
        if query.initial_events and not query.bookmarks:
            found.append(
                ("allowWatchBookmarks", "Forbidden: sendInitialEvents requires setting allowWatchBookmarks to true")
            )
        return found
    if query.initial_events is not None:
        found.append(("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list"))
    if query.match and not query.revision:
        found.append(
            ("resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
        )
    if query.match and query.token:
        found.append(("resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden when continue is provided"))
    if query.match == "Exact" and query.revision == "0":
        found.append(
            ("resourceVersionMatch", 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        )
    if query.match not in {"", "Exact", "NotOlderThan"}:
        found.append(
            ("resourceVersionMatch", f'Unsupported value: "{query.match}": supported values: "Exact", "NotOlderThan"')
        )
    return found


def _invalid_options(kind: ServedKind, causes: list[tuple[str, str]]) -> ApiError:
    error = invalid("ListOptions", "meta.k8s.io", "", causes)
    error.details |= {"kind": "ListOptions", "group": "meta.k8s.io"}
    return error
