"""Resources of one client alone, such as its certificate: served to it beside those of its View.

Views are shared by thousands of clients, and so are their encoded responses; what only one of them may see stays out
of both.
"""

from collections.abc import Iterable, Mapping

from xds.resource import Resource
from xds.types import TypeUrl
from xds.view import ViewChange


class PrivateResources:
    """What one client gets for names that it asks for, whatever its View has under them. No wildcard covers it."""

    __slots__ = ("_types",)

    def __init__(self) -> None:
        self._types: dict[TypeUrl, dict[str, Resource]] = {}

    def of(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        """The resources of a type by name, live."""
        return self._types.setdefault(type_url, {})

    def put(self, resources: Iterable[Resource]) -> ViewChange:
        """Add or replace resources; returns the names of those that changed."""
        change: dict[TypeUrl, set[str]] = {}
        for resource in resources:
            held = self._types.setdefault(resource.type_url, {})
            if held.get(resource.name) != resource:
                held[resource.name] = resource
                change.setdefault(resource.type_url, set()).add(resource.name)
        return change
