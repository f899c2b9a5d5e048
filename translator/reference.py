"""References to resources that can be built: the currency between the lists of a View and its resources."""

from typing import Any, NamedTuple

from translator.database import Database
from translator.engine import Query
from translator.node import Node
from xds.resource import Resource


class ResourceReference(NamedTuple):
    """A resource's name, and the query and arguments that build it.

    The arguments are no wider than the resource's inputs, so that equal resources of different Views are one.
    The query returns None when, on a closer look, the resource does not exist.
    """

    name: str
    query: Query[Database, Any, Resource | None]
    args: tuple[Any, ...]

    def is_built_by(self, node: Node) -> bool:
        """Whether this is the node that the query and its arguments lead to."""
        return node.query is self.query and node.args == self.args
