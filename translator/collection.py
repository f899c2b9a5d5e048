"""Collections: results that are put together from the values of many keys, and kept up to date key by key.

A query that reads ten thousand others has to read them all again when one of them changes. A collection does not:
the engine knows which of its values are suspect, and takes in those alone.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar

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

    def work(self) -> Iterator[None]:
        """Do the long part of ``result``, before it is called, in steps between which there may be a pause."""

    def result(self) -> V_co:
        """What the values make: immutable and comparable."""


class Under(NamedTuple):
    """The collection that another one lies over, and its arguments for those of the other.

    What lies over has a say about its own keys, the one below about all others. Its collector is given what the one
    below makes: ``lay_over``.
    """

    collection: Query[Any, Any, Any]
    args: Callable[..., tuple[Hashable, ...]]


class Collection(Query[E, P, V_co], Generic[E, P, V_co, K, V]):
    """A query whose result is put together from the values of keys, and kept up to date key by key.

    ``keys`` gives the keys, each once, for the arguments; ``value`` the value of one, asked with the key before
    the arguments. A change costs what the changed keys cost, and one call of ``Collector.result``.

    A value that fails costs no other: the collector keeps the one before it, or does without. See ``find_flaws``.
    """

    def __init__(
        self,
        keys: Query[E, P, Iterable[K]],
        value: Query[E, Concatenate[K, P], V],
        collector: Callable[P, Collector[K, V, V_co]],
        under: Under | None = None,
    ) -> None:
        self.keys = keys
        self.value = value
        self.collector = collector
        self.under = under
        self.name = f"{value.name}[*]"
        self.__doc__ = collector.__doc__

    def evaluate(self, engine: E, node: Node) -> V_co:
        """Take every value in."""
        make: Callable[..., Collector[K, V, V_co]] = self.collector
        collector = make(*node.args)
        keys = tuple(engine.fetch(self.keys, node.args))
        collected = Collected.begin(collector, engine.node(self.keys, node.args), self.value)
        if self.under is not None:
            args = self.under.args(*node.args)
            below = engine.fetch(self.under.collection, args)
            collected = collected.lay_over(engine.node(self.under.collection, args), below)
        for key in keys:
            args = (key, *node.args)
            with suppress(QueryFailedError):
                engine.fetch(self.value, args)
            collected.take(key, engine.node(self.value, args))
        for _ in collector.work():
            engine.breathe()
        node.collected = collected._replace(order=keys)
        return collector.result()
