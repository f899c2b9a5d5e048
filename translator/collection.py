"""Collections: results that are put together from the values of many keys, and kept up to date key by key.

A query that reads ten thousand others has to read them all again when one of them changes. A collection does not:
the engine knows which of its values are suspect, and takes in those alone.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from translator.engine import Engine, Query, QueryFailedError
from translator.node import Collected, Node

E = TypeVar("E", bound=Engine)
P = ParamSpec("P")
K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")
V_contra = TypeVar("V_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Collector(Protocol[K_contra, V_contra, V_co]):
    """Puts one result together from the values of many keys.

    The result must follow from the values that are in at the moment, however they came there.
    """

    def put(self, key: K_contra, value: V_contra) -> None:
        """Take in the value of a key, in place of the one before if there was one."""

    def drop(self, key: K_contra) -> None:
        """Forget a key that was put."""

    def result(self) -> V_co:
        """What the values make: immutable and comparable."""


class Collection(Query[E, P, V_co], Generic[E, P, V_co, K, V]):
    """A query whose result is put together from the values of keys, and kept up to date key by key.

    ``keys`` gives the keys, each once, for the arguments; ``value`` the value of one, asked with the key before
    the arguments. A change costs what the changed keys cost, and one call of ``Collector.result``.
    """

    def __init__(
        self,
        keys: Query[E, P, Iterable[K]],
        value: Query[E, Concatenate[K, P], V],
        collector: Callable[P, Collector[K, V, V_co]],
    ) -> None:
        self.keys = keys
        self.value = value
        self.collector = collector
        self.name = f"{value.name}[*]"
        self.__doc__ = collector.__doc__

    def evaluate(self, engine: E, node: Node) -> V_co:
        """Take every value in. One that fails makes the whole fail, but all are asked: they stay known."""
        make: Callable[..., Collector[K, V, V_co]] = self.collector
        collector = make(*node.args)
        items: dict[Any, Node] = {}
        failed: QueryFailedError | None = None
        for key in engine.fetch(self.keys, node.args):
            args = (key, *node.args)
            try:
                collector.put(key, engine.fetch(self.value, args))
            except QueryFailedError as error:
                failed = failed or error
            items[key] = engine.node(self.value, args)
        if failed is not None:
            raise failed
        node.collected = Collected(collector, engine.node(self.keys, node.args), self.value, items, tuple(items))
        return collector.result()
