"""The dependency-tracked, memoised evaluation of pure functions ("queries").

While a query runs, the engine records which inputs and which other queries it reads. A change of an input
marks what depends on it as possibly stale, walking the recorded edges backwards: the cost is that of the
dependents, never that of the mesh. A stale query is evaluated again only when somebody asks for it, and
only if something that it read really has another value; a result equal to the one before stops there
(early cut-off).

Because every edge is known, so is the origin of every result: ``Engine.origins``.

Long work can be done in turns (``translator.fiber``). Inputs may change between two turns; a result that was made
of old and new is then as stale as any other that has an outdated dependency, and is brought up to date like it.

What is put together from thousands of pieces is a collection (``translator.collection``): when some of its
pieces change it takes in those, and looks at no other.

What nobody needs any more is dropped (``translator.release``): at once what a change gives up, in turns (``sweep``)
what a whole root leaves behind.

The engine knows nothing of the store or of Envoy. Inputs are opaque tokens; whoever owns the values
behind them calls ``record`` when one is read and ``invalidate`` when one has changed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from itertools import islice
from typing import Any, ClassVar, Concatenate, Final, Generic, ParamSpec, TypeVar, cast

from translator.fiber import Carriers, Due, Fiber, always, never
from translator.node import (
    UNSET,
    Collected,
    Frame,
    Input,
    Node,
    Recipe,
    Token,
    Watcher,
    difference,
    iter_dependents,
    iter_origins,
    link_all,
    link_reads,
    spread_suspicion,
    until_free,
    value_of,
)
from translator.release import Releaser
from translator.wide import MANY, WideDict

P = ParamSpec("P")
V_co = TypeVar("V_co", covariant=True)
E = TypeVar("E", bound="Engine")
T = TypeVar("T")

# So many items are gone through between two looks at whether the turn is over.
_PACE: Final = 64


class QueryFailedError(Exception):
    """A query raised; the failure is kept like a value and lasts until one of its inputs changes.

    ``failed`` names the innermost query that raised; the original exception is the ``__cause__``.
    """

    def __init__(self, failed: str) -> None:
        super().__init__(failed)
        self.failed = failed


class QueryCycleError(Exception):
    """A query asked for its own result, directly or through others."""


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


class Engine:
    """Holds the memoised results and the edges between them. Single-threaded; never calls out except into queries."""

    breath: ClassVar = 8
    """So many results are asked for between two looks at whether the turn is over."""

    def __init__(self) -> None:
        self.revision = 1
        self.runs: Counter[str] = Counter()
        self._inputs: WideDict[Token, Input] = WideDict()
        self._nodes: dict[Recipe, MutableMapping[tuple[Any, ...], Node]] = {}
        # The running query; None outside of any.
        self._frame: Frame | None = None
        # What is asked for directly has to wait for a fiber that is just making this.
        self.awaited: Node | None = None
        self._fiber: Fiber | None = None
        self._carriers = Carriers()
        self._breath = self.breath
        # Results that lost a dependent; looked at when no query is running that may have read them.
        self._dropped: list[Input | Node] = []
        # Results that were asked for from outside; released by release_unused when nothing else needs them.
        self._loose: set[Node] = set()
        self._releaser = Releaser(self._inputs, self._nodes, self._loose)

    def record(self, token: Token) -> None:
        """Note that the running query read the input behind ``token``; outside of a query this does nothing."""
        frame = self._frame
        if frame is None:
            return
        leaf = self._inputs.get(token)
        if leaf is None:
            self._inputs.add(token, leaf := Input(token))
        frame.reads[leaf] = None

    def is_read(self, token: Token) -> bool:
        """Whether some result depends on the input behind a token."""
        return token in self._inputs

    def invalidate(self, tokens: Iterable[Token]) -> None:
        """The inputs behind ``tokens`` have changed: mark everything that depends on them as possibly stale."""
        self.revision += 1
        for token in tokens:
            leaf = self._inputs.get(token)
            if leaf is not None:
                leaf.changed_at = self.revision
                spread_suspicion(leaf)

    def fetch(self, query: Query[Any, Any, Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - Query types it
        """The current result of a query; see ``Query.__call__``."""
        if self._fiber is not None:
            self._breath -= 1
            if not self._breath:
                self.breathe()
        nodes = self._nodes.get(query)
        node = nodes.get(args) if nodes is not None else None
        if node is None:
            node = self.node(query, args)
        frame = self._frame
        if frame is None:
            self._loose.add(node)
        else:
            frame.reads[node] = None
        if node.suspects is not None:
            self._refresh(node)
            if frame is not None and node.suspects is not None:
                frame.outdated.setdefault(node, node.changed_at)
        if node.error is not None:
            raise node.error
        return node.value

    def node(self, query: Recipe, args: tuple[Any, ...]) -> Node:
        """The node of a query, evaluated or not. For the engine and its collections."""
        nodes = self._nodes.get(query)
        if nodes is None:
            nodes = self._nodes[query] = {}
        node = nodes.get(args)
        if node is None:
            if isinstance(nodes, dict) and len(nodes) >= MANY:
                nodes = self._nodes[query] = WideDict(nodes)
            node = nodes[args] = Node(query, args)
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
        node.unwatch(watcher)
        self._drop([node])

    def put_off_unwatching(self, nodes: Iterable[Node], watcher: Watcher) -> None:
        """Like ``unwatch`` for many nodes, done by ``sweep``; until then ``watcher`` may still be told of changes."""
        self._releaser.put_off_unwatching(nodes, watcher)

    @property
    def is_swept(self) -> bool:
        """Whether nothing is left for ``sweep``."""
        return self._releaser.is_idle

    def sweep(self, is_due: Due = never) -> bool:
        """Drop what was put off until ``is_due``, unless it is needed again; returns whether nothing is left."""
        return self._releaser.sweep(is_due)

    def pull(self, node: Node) -> Any:  # noqa: ANN401 - the watcher knows the query's type
        """The current result of a watched node. Raises like ``Query.__call__``."""
        if node.suspects is not None:
            self._refresh(node)
        if node.error is not None:
            raise node.error
        return node.value

    def step(self, fiber: Fiber, is_due: Due) -> None:
        """Let a fiber go on until it is done or ``is_due``, or what it waits for. Raises what its work raises."""
        due = is_due
        while fiber.awaited is not None and isinstance(fiber.awaited.runner, Fiber):
            awaited, fiber = fiber.awaited, fiber.awaited.runner
            due = until_free(awaited, fiber, is_due)
        outer = self._frame, self._fiber
        self._frame, self._fiber = None, fiber
        try:
            fiber.run(due, self._carriers)
        finally:
            self._frame, self._fiber = outer

    def abandon(self, fiber: Fiber) -> None:
        """End a fiber that is not done; ``sweep`` drops what it has worked out so far and nobody needs."""
        outer = self._frame, self._fiber
        try:
            fiber.close()
        finally:
            self._frame, self._fiber = outer
        dropped, self._dropped = self._dropped, []
        self._releaser.put_off(dropped)

    def breathe(self) -> None:
        """Let the turn end here if it is over. For long work between two reads."""
        self._breath = self.breath
        fiber = self._fiber
        if fiber is not None and fiber.is_due():
            self._pause(fiber)

    def paced(self, items: Iterable[T]) -> Iterator[T]:
        """For queries that go through thousands of items without asking for other results: the turn may end on the way.

        The items must be of a value that stays what it is.
        """
        for number, item in enumerate(items, 1):
            yield item
            if not number % _PACE:
                self.breathe()

    def origins(self, node: Node) -> Iterator[Token]:
        """The inputs that a result was computed from, directly or through other queries, each once."""
        return iter_origins(node)

    def iter_dependents(self, token: Token) -> Iterator[Node]:
        """The results that depend on an input, directly or through others, each once.

        The graph may change between two of them: then there may be too few or too many.
        """
        return iter_dependents(self._inputs.get(token))

    def release_unused(self) -> None:
        """Drop results that were only asked for from outside and that nothing alive depends on."""
        loose = tuple(self._loose)
        self._loose.clear()
        self._drop(loose)

    def __len__(self) -> int:
        """How many results are held."""
        return sum(map(len, self._nodes.values()))

    def _refresh(self, node: Node) -> None:
        """Bring ``node`` up to date: verify its suspects first, evaluate only if one of them really changed."""
        while node.runner is not None:
            self._await(node)
        if node.suspects is None:
            return
        if node.value is UNSET and node.error is None:
            self._evaluate(node)
            return
        started = self.revision
        suspects, node.suspects = node.suspects, {}
        is_settled = False
        # Until the end: the work may be interrupted anywhere, and nobody else is to begin it meanwhile.
        node.runner = self._fiber or self
        try:
            if node.collected is not None:
                is_settled = self._collect(node, node.collected, suspects)
            else:
                # What was given up when the last attempt was abandoned is no dependency any more.
                is_settled = not any(
                    node in each.dependents and self._has_changed(each, node, since) for each, since in suspects.items()
                )
        finally:
            node.runner = None
            if not is_settled:
                # Of what is suspect again, the older suspicion counts.
                node.suspects = {**node.suspects, **suspects}
        if is_settled:
            # What has become suspect in the meantime, did so after the verification began.
            late: dict[Input | Node, int | None] = {}
            late.update((each, started if since is None else since) for each, since in node.suspects.items())
            self._settle(node, late)
        else:
            self._evaluate(node)

    def _has_changed(self, suspect: "Input | Node", node: Node, since: int | None = None) -> bool:
        """Whether a dependency, brought up to date, has another value than when ``node`` was up to date."""
        if isinstance(suspect, Node) and suspect.suspects is not None:
            self._refresh(suspect)
            if suspect.is_stale and node.suspects is not None:
                node.suspects.setdefault(suspect, suspect.changed_at)
        return suspect.changed_at > (node.verified_at if since is None else since)

    def _settle(self, node: Node, suspects: dict["Input | Node", int | None]) -> None:
        """The value of ``node`` is what its dependencies make, but for those that have become suspect meanwhile."""
        node.verified_at = self.revision
        node.suspects = suspects or None
        if suspects:
            # Whoever reads it now is to see that it changes when it is brought up to date in a moment.
            self.revision += 1
            for watcher in node.watchers or ():
                watcher.invalidated(node)

    def _await(self, node: Node) -> None:
        """Let whoever brings ``node`` up to date go on. Raises QueryCycleError if that is this one, or waits for it."""
        mine, other = self._fiber or self, node.runner
        while other is not mine and other is not None and other.awaited is not None:
            other = other.awaited.runner
        if other is mine:
            message = f"{node!r} depends on itself"
            raise QueryCycleError(message)
        mine.awaited = node
        try:
            if isinstance(mine, Fiber):
                self._pause(mine)
            else:
                link_reads(self._frame)
                while isinstance(node.runner, Fiber):
                    self.step(node.runner, always)
        finally:
            mine.awaited = None

    def _pause(self, fiber: Fiber) -> None:
        """End the turn of a fiber; what its queries have read must neither be dropped nor change unnoticed."""
        frame, revision = self._frame, self.revision
        link_reads(frame)
        try:
            fiber.pause()
        finally:
            self._frame, self._fiber = frame, fiber
        while frame is not None and self.revision != revision:
            for each in frame.reads:
                is_suspect = isinstance(each, Node) and each.suspects is not None and each.runner is not fiber
                if is_suspect or each.changed_at > revision:
                    frame.outdated.setdefault(each, revision)
            frame = frame.outer

    def _collect(self, node: Node, collected: Collected, suspects: dict["Input | Node", int | None]) -> bool:
        """Bring a collection up to date with the keys and values that have changed, and no others.

        False if that failed: whatever it was, in the keys or in the collector, fails again from scratch.
        """
        keys, collector = collected.keys, collected.collector
        items = cast("dict[Input | Node, Any]", node.dependencies)
        # Until this is through, the collector cannot be trusted.
        node.collected = None
        current, changed = collected, False
        try:
            if keys in suspects and self._has_changed(keys, node, suspects[keys]):
                current = self._collect_keys(node, collected)
                changed = current.order != collected.order
            below = collected.below
            if below and below in suspects and self._has_changed(below, node, suspects[below]):
                current.lay_over(below, value_of(below))
                changed = True
            for key, item, since in current.suspected(suspects, items):
                if self._has_changed(item, node, since):
                    current.take(key, item)
                    changed = True
            if changed:
                self.runs[node.query.name] += 1
                for _ in collector.work():
                    self.breathe()
                node.keep(collector.result(), None, self.revision)
        except QueryCycleError:
            raise
        except Exception:  # noqa: BLE001 - told by evaluating it from scratch
            return False
        node.collected = current
        return True

    def _collect_keys(self, node: Node, collected: Collected) -> Collected:
        """Take in new keys and forget those that are gone."""
        wanted = tuple(value_of(collected.keys))
        items = cast("dict[Input | Node, Any]", node.dependencies)
        gone_keys, new_keys = difference(collected.order, wanted)
        gone: list[Input | Node] = []
        try:
            for key in self.paced(gone_keys):
                item = collected.forget(key)
                del items[item]
                item.unlink(node)
                gone.append(item)
            for key in self.paced(new_keys):
                item = self.node(collected.value, (key, *node.args))
                items[item] = key
                item.link(node)
                self._has_changed(item, node)
                collected.take(key, item)
        finally:
            # Only now: old and new values may be made of the same.
            self._drop(gone)
        return collected._replace(order=wanted)

    def _evaluate(self, node: Node) -> None:
        frame = self._frame = Frame(node, self._frame)
        node.runner = self._fiber or self
        self.runs[node.query.name] += 1
        value: Any = UNSET
        error: Exception | None = None
        try:
            value = node.query.evaluate(self, node)
        except QueryFailedError as failure:
            error = failure
        except QueryCycleError:
            self._abandon(frame)
            raise
        except Exception as cause:  # noqa: BLE001 - any bug in a builder must cost one result, not the push
            error = QueryFailedError(repr(node))
            error.__cause__ = cause
        except BaseException:
            # The fiber is closed in the middle of its work.
            self._abandon(frame)
            raise
        finally:
            self._frame = frame.outer
            node.runner = None
        node.keep(value, error, self.revision)
        given_up = self._relink(node, frame)
        self._settle(node, frame.outdated)
        if given_up or self._dropped:
            self._give_up(node, given_up)

    def _abandon(self, frame: Frame) -> None:
        """Forget what an evaluation has read that did not come to its end."""
        node = frame.node
        needed = set(node.dependencies)
        unneeded = [each for each in frame.reads if each not in needed]
        for each in unneeded:
            each.unlink(node)
            if node.suspects is not None:
                node.suspects.pop(each, None)
        self._dropped.extend(unneeded)

    def _relink(self, node: Node, frame: Frame) -> list["Input | Node"]:
        """Note what the new value was made of; returns what the one before was made of beside that."""
        before, reads = node.dependencies, frame.reads
        if node.collected is not None:
            reads.update((item, key) for key, item in node.collected.items.items())
        node.dependencies = tuple(reads) if node.collected is None else reads
        link_all(islice(reads, frame.linked, None), node)
        return [dependency for dependency in before if dependency not in reads] if before else []

    def _give_up(self, node: Node, dependencies: list["Input | Node"]) -> None:
        """These do not tell of their changes any more; until then a node is suspect once too often at the worst."""
        rest = iter(dependencies)
        # Nobody else is to read them again before this is through.
        node.runner = self._fiber or self
        try:
            for dependency in self.paced(rest):
                dependency.unlink(node)
        finally:
            for dependency in rest:
                dependency.unlink(node)
            node.runner = None
            self._drop(dependencies)

    def _drop(self, candidates: Iterable["Input | Node"]) -> None:
        """Release these as soon as no query is running that may have read them as well."""
        self._dropped.extend(candidates)
        if self._frame is None and self._dropped:
            dropped, self._dropped = self._dropped, []
            self._releaser.drop(dropped)
