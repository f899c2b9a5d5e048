"""The dependency-tracked, memoised evaluation of pure functions ("queries").

While a query runs, the engine records which inputs and which other queries it reads. A change of an input
marks what depends on it as possibly stale, walking the recorded edges backwards: the cost is that of the
dependents, never that of the mesh. A stale query is evaluated again only when somebody asks for it, and
only if something that it read really has another value; a result equal to the one before stops there
(early cut-off).

Because every edge is known, so is the origin of every result: ``Engine.origins``.

What is put together from thousands of pieces is a collection (``translator.collection``): when some of its
pieces change it takes in those, and looks at no other.

The engine knows nothing of the store or of Envoy. Inputs are opaque tokens; whoever owns the values
behind them calls ``record`` when one is read and ``invalidate`` when one has changed.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Concatenate, Final, Generic, NamedTuple, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
V_co = TypeVar("V_co", covariant=True)
E = TypeVar("E", bound="Engine")

Token = Hashable

_UNSET: Final = object()


class QueryFailedError(Exception):
    """A query raised; the failure is kept like a value and lasts until one of its inputs changes.

    ``failed`` names the innermost query that raised; the original exception is the ``__cause__``.
    """

    def __init__(self, failed: str) -> None:
        super().__init__(failed)
        self.failed = failed


class QueryCycleError(Exception):
    """A query asked for its own result, directly or through others."""


class Watcher(Protocol):
    """A root of the graph: told once when a watched result may have changed, until it asks for it again."""

    def invalidated(self, node: "Node") -> None:
        """``node`` may have another value now. Must not evaluate anything."""


class Query(Generic[E, P, V_co]):
    """A pure function of inputs and other queries, memoised by its arguments. Made with ``@query``.

    Arguments must be hashable; results must be immutable and comparable with ``==``.
    """

    def __init__(self, function: Callable[Concatenate[E, P], V_co]) -> None:
        self.function = function
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.__doc__ = function.__doc__

    def __call__(self, engine: E, *args: P.args, **kwargs: P.kwargs) -> V_co:
        """The current result for these (positional) arguments.

        Raises QueryFailedError if the function raised, QueryCycleError if it is being evaluated already.
        """
        if kwargs:
            message = f"{self.name} takes positional arguments only"
            raise TypeError(message)
        result: V_co = engine.fetch(self, args)
        return result

    def evaluate(self, engine: E, node: "Node") -> V_co:
        """The result for the arguments of a node, from scratch. For the engine alone."""
        function: Callable[..., V_co] = self.function
        return function(engine, *node.args)

    def __repr__(self) -> str:
        return f"<query {self.name}>"


def query(function: Callable[Concatenate[E, P], V_co]) -> Query[E, P, V_co]:
    """Turn a pure function, whose first parameter is the engine it reads through, into a query."""
    return Query(function)


class Collector(Protocol):
    """What a collection takes its values in with; see ``translator.collection``."""

    def put(self, key: Any, value: Any, /) -> None:  # noqa: ANN401 - typed by the collection
        """Take in the value of a key."""

    def drop(self, key: Any, /) -> None:  # noqa: ANN401 - typed by the collection
        """Forget a key."""

    def result(self) -> Any:  # noqa: ANN401 - typed by the collection
        """What the values make."""


class Collected(NamedTuple):
    """What a collection has taken in: its collector, the node of its keys, and by key the nodes of the values.

    ``order`` holds the keys as they were given last.
    """

    collector: Collector
    keys: "Node"
    value: Query[Any, Any, Any]
    items: "dict[Any, Node]"
    order: tuple[Any, ...]


class _Input:
    """A leaf of the graph: something outside that queries have read."""

    __slots__ = ("changed_at", "dependents", "token")

    def __init__(self, token: Token) -> None:
        self.token = token
        self.dependents: set[Node] = set()
        self.changed_at = 0


class Node:
    """The memoised result of one query for one tuple of arguments. Owned by the engine; read-only for others."""

    __slots__ = (
        "args",
        "changed_at",
        "collected",
        "dependencies",
        "dependents",
        "error",
        "query",
        "running",
        "suspects",
        "value",
        "verified_at",
        "watchers",
    )

    def __init__(self, query: Query[Any, Any, Any], args: tuple[Any, ...]) -> None:
        self.query = query
        self.args = args
        self.value: Any = _UNSET
        self.error: Exception | None = None
        # In the order in which they were read; of a collection also the keys by the nodes of their values.
        self.dependencies: dict[_Input | Node, Any] = {}
        self.collected: Collected | None = None
        self.dependents: set[Node] = set()
        self.watchers: list[Watcher] | None = None
        # Dependencies that may have changed since verified_at; None while the value is known to be current.
        self.suspects: dict[_Input | Node, None] | None = {}
        self.changed_at = 0
        self.verified_at = 0
        self.running = False

    def __repr__(self) -> str:
        return f"{self.query.name}{self.args!r}"


class Engine:
    """Holds the memoised results and the edges between them. Single-threaded; never calls out except into queries."""

    def __init__(self) -> None:
        self.revision = 1
        self.runs: Counter[str] = Counter()
        self._inputs: dict[Token, _Input] = {}
        self._nodes: dict[tuple[Query[Any, Any, Any], tuple[Any, ...]], Node] = {}
        # What the running query has read so far, in order; None outside of any query.
        self._reads: dict[_Input | Node, Any] | None = None
        # Results that were asked for from outside; released by release_unused when nothing else needs them.
        self._loose: set[Node] = set()

    def record(self, token: Token) -> None:
        """Note that the running query read the input behind ``token``; outside of a query this does nothing."""
        reads = self._reads
        if reads is None:
            return
        leaf = self._inputs.get(token)
        if leaf is None:
            leaf = self._inputs[token] = _Input(token)
        reads[leaf] = None

    def invalidate(self, tokens: Iterable[Token]) -> None:
        """The inputs behind ``tokens`` have changed: mark everything that depends on them as possibly stale."""
        self.revision += 1
        for token in tokens:
            leaf = self._inputs.get(token)
            if leaf is not None:
                leaf.changed_at = self.revision
                _suspect(leaf)

    def fetch(self, query: Query[Any, Any, Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - Query types it
        """The current result of a query; see ``Query.__call__``."""
        node = self.node(query, args)
        reads = self._reads
        if reads is None:
            self._loose.add(node)
        else:
            reads[node] = None
        if node.suspects is not None:
            self._refresh(node)
        if node.error is not None:
            raise node.error
        return node.value

    def node(self, query: Query[Any, Any, Any], args: tuple[Any, ...]) -> Node:
        """The node of a query, evaluated or not. For the engine and its collections."""
        key = (query, args)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(query, args)
        return node

    def watch(self, query: Query[Any, Any, Any], args: tuple[Any, ...], watcher: Watcher) -> Node:
        """Keep a result alive and have ``watcher`` told when it may change; it counts as stale until pulled."""
        node = self.node(query, args)
        if node.watchers is None:
            node.watchers = []
        node.watchers.append(watcher)
        return node

    def unwatch(self, node: Node, watcher: Watcher) -> None:
        """Undo one ``watch``; results that nobody needs any more are dropped."""
        if node.watchers is not None:
            node.watchers.remove(watcher)
            if not node.watchers:
                node.watchers = None
        self._release([node])

    def pull(self, node: Node) -> Any:  # noqa: ANN401 - the watcher knows the query's type
        """The current result of a watched node. Raises like ``Query.__call__``."""
        if node.suspects is not None:
            self._refresh(node)
        if node.error is not None:
            raise node.error
        return node.value

    def origins(self, node: Node) -> Iterator[Token]:
        """The inputs that a result was computed from, directly or through other queries, each once."""
        seen: set[int] = set()
        pending: list[_Input | Node] = [node]
        while pending:
            current = pending.pop()
            if id(current) in seen:
                continue
            seen.add(id(current))
            if isinstance(current, _Input):
                yield current.token
            else:
                pending.extend(reversed(current.dependencies))

    def release_unused(self) -> None:
        """Drop results that were only asked for from outside and that nothing alive depends on."""
        loose, self._loose = self._loose, set()
        self._release(loose)

    def __len__(self) -> int:
        """How many results are held."""
        return len(self._nodes)

    def _refresh(self, node: Node) -> None:
        """Bring ``node`` up to date: verify its suspects first, evaluate only if one of them really changed."""
        if node.running:
            message = f"{node!r} depends on itself"
            raise QueryCycleError(message)
        if node.value is _UNSET and node.error is None:
            self._evaluate(node)
            return
        if node.collected is not None:
            self._collect(node, node.collected)
            return
        for suspect in node.suspects or ():
            if self._has_changed(suspect, node):
                self._evaluate(node)
                return
        node.suspects = None
        node.verified_at = self.revision

    def _has_changed(self, suspect: "_Input | Node", node: Node) -> bool:
        """Whether a dependency, brought up to date, has another value than when ``node`` was up to date."""
        if isinstance(suspect, Node) and suspect.suspects is not None:
            node.running = True
            try:
                self._refresh(suspect)
            finally:
                node.running = False
        return suspect.changed_at > node.verified_at

    def _collect(self, node: Node, collected: Collected) -> None:
        """Bring a collection up to date with the keys and values that have changed, and no others."""
        suspects = tuple(node.suspects or ())
        keys = collected.keys
        try:
            changed = keys in suspects and self._has_changed(keys, node) and self._collect_keys(node, collected)
            for suspect in suspects:
                # What is no key any more is no dependency either.
                if suspect is keys or suspect not in node.dependencies or not self._has_changed(suspect, node):
                    continue
                collected.collector.put(node.dependencies[suspect], _value_of(suspect))
                changed = True
            if changed:
                self.runs[node.query.name] += 1
                self._keep(node, collected.collector.result(), None)
        except QueryCycleError:
            raise
        except Exception:  # noqa: BLE001 - whatever failed, in a value or in the collector, fails again from scratch
            node.collected = None
            self._evaluate(node)
            return
        node.suspects = None
        node.verified_at = self.revision

    def _collect_keys(self, node: Node, collected: Collected) -> bool:
        """Take in new keys and forget those that are gone; returns whether there were any."""
        collector, keys, value, items, order = collected
        wanted = tuple(_value_of(keys))
        gone_keys, new_keys = _difference(order, wanted)
        gone = [items.pop(key) for key in gone_keys]
        for item in gone:
            collector.drop(node.dependencies.pop(item))
            item.dependents.discard(node)
        try:
            for key in new_keys:
                item = self.node(value, (key, *node.args))
                node.dependencies[item] = key
                item.dependents.add(node)
                self._has_changed(item, node)
                collector.put(key, _value_of(item))
                items[key] = item
        finally:
            # Only now: old and new values may be made of the same.
            self._release(gone)
        node.collected = collected._replace(order=wanted)
        return bool(gone_keys or new_keys)

    def _evaluate(self, node: Node) -> None:
        outer, self._reads = self._reads, {}
        node.running = True
        self.runs[node.query.name] += 1
        value: Any = _UNSET
        error: Exception | None = None
        try:
            value = node.query.evaluate(self, node)
        except QueryFailedError as failure:
            error = failure
        except QueryCycleError:
            raise
        except Exception as cause:  # noqa: BLE001 - any bug in a builder must cost one result, not the push
            error = QueryFailedError(repr(node))
            error.__cause__ = cause
        finally:
            reads, self._reads = self._reads, outer
            node.running = False
        self._keep(node, value, error)
        node.verified_at = self.revision
        node.suspects = None
        self._relink(node, reads)

    def _keep(self, node: Node, value: Any, error: Exception | None) -> None:  # noqa: ANN401 - any query's value
        """Note what came out; a value that is equal to the one before is no change."""
        if error is not None or node.error is not None or node.value is _UNSET or node.value != value:
            node.changed_at = self.revision
            node.value = value
            node.error = error

    def _relink(self, node: Node, reads: dict["_Input | Node", Any]) -> None:
        before = node.dependencies
        node.dependencies = reads
        if node.collected is not None:
            reads.update((item, key) for key, item in node.collected.items.items())
        for dependency in reads:
            dependency.dependents.add(node)
        dropped = [dependency for dependency in before if dependency not in reads]
        for dependency in dropped:
            dependency.dependents.discard(node)
        if dropped:
            self._release(dropped)

    def _release(self, candidates: Iterable["_Input | Node"]) -> None:
        """Drop every candidate without dependents or watchers, and then what only it needed."""
        pending = list(candidates)
        while pending:
            candidate = pending.pop()
            if candidate.dependents:
                continue
            if isinstance(candidate, _Input):
                self._inputs.pop(candidate.token, None)
                continue
            if candidate.watchers or candidate.running or candidate in self._loose:
                continue
            if self._nodes.pop((candidate.query, candidate.args), None) is None:
                continue
            for dependency in candidate.dependencies:
                dependency.dependents.discard(candidate)
                pending.append(dependency)


def _difference(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """The keys that are gone and those that are new.

    Mostly a few have come or gone in the middle of thousands, whose hashes would cost more than comparing them.
    """
    limit = min(len(before), len(after))
    start = next((at for at in range(limit) if before[at] is not after[at]), limit)
    limit -= start
    end = next((at for at in range(1, limit + 1) if before[-at] is not after[-at]), limit + 1) - 1
    old = dict.fromkeys(before[start : len(before) - end])
    new = dict.fromkeys(after[start : len(after) - end])
    return [key for key in old if key not in new], [key for key in new if key not in old]


def _value_of(node: "_Input | Node") -> Any:  # noqa: ANN401 - any query's value
    """The value of an up-to-date node. Raises the error that it failed with."""
    if not isinstance(node, Node):
        message = "a collection reads queries only"
        raise TypeError(message)
    if node.error is not None:
        raise node.error
    return node.value


def _suspect(changed: "_Input | Node") -> None:
    """Tell all dependents of ``changed``, transitively, that it may have changed.

    A node that is suspect already has told its own dependents, so the walk ends there.
    """
    pending: list[_Input | Node] = [changed]
    while pending:
        current = pending.pop()
        for dependent in current.dependents:
            if dependent.suspects is None:
                dependent.suspects = {current: None}
                pending.append(dependent)
                if dependent.watchers:
                    for watcher in dependent.watchers:
                        watcher.invalidated(dependent)
            else:
                dependent.suspects[current] = None
