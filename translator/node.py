"""What the engine keeps: the inputs and results that it knows, and the edges between them."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from translator.wide import MANY, WideDict

Token = Hashable

UNSET: Final = object()

# So many dependents are kept in a tuple.
_FEW: Final = 32


class Recipe(Protocol):
    """What a result is made by: a query."""

    name: str

    def evaluate(self, engine: Any, node: "Node", /) -> Any:  # noqa: ANN401 - typed by the query
        """The result for the arguments of a node, from scratch."""


class Runner(Protocol):
    """What brings nodes up to date; ``awaited`` is the one that another has to be done with first."""

    awaited: "Node | None"


class Watcher(Protocol):
    """A root of the graph: told once when a watched result may have changed, until it asks for it again."""

    def invalidated(self, node: "Node") -> None:
        """``node`` may have another value now. Must not evaluate anything."""


class Collector(Protocol):
    """What a collection takes its values in with; see ``translator.collection``."""

    def put(self, key: Any, value: Any, /) -> None:  # noqa: ANN401 - typed by the collection
        """Take in the value of a key."""

    def drop(self, key: Any, /) -> None:  # noqa: ANN401 - typed by the collection
        """Forget a key."""

    def work(self) -> Iterator[None]:
        """Do the long part of ``result`` in steps."""

    def result(self) -> Any:  # noqa: ANN401 - typed by the collection
        """What the values make."""


class Collected(NamedTuple):
    """What a collection has taken in: its collector, the node of its keys, and by key the nodes of the values.

    ``order`` holds the keys as they were given last; ``failed`` those whose value could not be had. Of these the
    collector still has the value before, but for ``absent`` ones, which never had any. ``below`` is the collection
    that this one lies over, if it does.
    """

    collector: Collector
    keys: "Node"
    value: Recipe
    items: "dict[Any, Node]"
    order: tuple[Any, ...]
    failed: "dict[Any, Node]"
    absent: set[Any]
    below: "Node | None" = None

    @classmethod
    def begin(cls, collector: Collector, keys: "Node", value: Recipe) -> "Collected":
        """Nothing is taken in yet."""
        return cls(collector, keys, value, items={}, order=(), failed={}, absent=set())

    def lay_over(self, below: "Node", value: Any) -> "Collected":  # noqa: ANN401 - typed by the collection
        """The same over what another collection makes now."""
        layer: Any = self.collector
        layer.lay_over(value)
        return self._replace(below=below)

    def take(self, key: Any, item: "Node") -> None:  # noqa: ANN401 - typed by the collection
        """Take in a value; one that cannot be had leaves the one before."""
        if item.error is None:
            self.collector.put(key, item.value)
            self.failed.pop(key, None)
            self.absent.discard(key)
        else:
            if key not in self.items:
                self.absent.add(key)
            self.failed[key] = item
        self.items[key] = item

    def suspected(
        self, suspects: "dict[Input | Node, int | None]", items: "dict[Input | Node, Any]"
    ) -> "Iterator[tuple[Any, Node, int | None]]":
        """Of suspects the values, with their keys. What is no key any more is no dependency either."""
        for suspect, since in suspects.items():
            if suspect is self.keys or suspect is self.below:
                continue
            if isinstance(suspect, Node) and suspect in items:
                yield items[suspect], suspect, since

    def covered(self) -> "Iterator[Node]":
        """The values of the collection below that do not matter, because this one has its own."""
        below = self.below.collected.items if self.below is not None and self.below.collected is not None else {}
        return (below[key] for key in self.items if key in below)

    def flaws(self) -> "Iterator[tuple[Any, Node]]":
        """The keys whose values could not be had, with their nodes; of the collection below those that matter."""
        yield from self.failed.items()
        if self.below is not None and self.below.collected is not None:
            yield from ((key, item) for key, item in self.below.collected.flaws() if key not in self.items)

    def forget(self, key: Any) -> "Node":  # noqa: ANN401 - typed by the collection
        """Let go of a key; returns the node of its value."""
        if key not in self.absent:
            self.collector.drop(key)
        self.absent.discard(key)
        self.failed.pop(key, None)
        return self.items.pop(key)


class Vertex:
    """An input or a result: what changes, and who is to hear of it.

    Mostly one depends on it, which is kept as it is, or a few: a tuple of them takes a quarter of the memory that a
    dict does, and that half of a set.
    """

    __slots__ = ("_dependents", "changed_at")

    def __init__(self) -> None:
        self.changed_at = 0
        self._dependents: Node | tuple[Node, ...] | dict[Node, None] | WideDict[Node, None] = ()

    @property
    def dependents(self) -> "tuple[Node, ...] | dict[Node, None] | WideDict[Node, None]":
        """Who is to hear of a change. Not to be altered."""
        known = self._dependents
        return (known,) if isinstance(known, Node) else known

    def link(self, dependent: "Node") -> None:
        """Note who depends on this; again is no harm."""
        known = self._dependents
        if isinstance(known, dict | WideDict):
            if len(known) == MANY and isinstance(known, dict):
                known = self._dependents = WideDict(known)
            known[dependent] = None
        elif isinstance(known, Node):
            if known is not dependent:
                self._dependents = (known, dependent)
        elif not known:
            self._dependents = dependent
        elif dependent not in known:
            more = (*known, dependent)
            self._dependents = dict.fromkeys(more) if len(more) > _FEW else more

    def unlink(self, dependent: "Node") -> None:
        """Forget who depended on this, if it did."""
        known = self._dependents
        if isinstance(known, dict | WideDict) and len(known) > _FEW:
            known.pop(dependent, None)
            return
        left = tuple(each for each in self.dependents if each is not dependent)
        self._dependents = left[0] if len(left) == 1 else left


class Input(Vertex):
    """A leaf of the graph: something outside that queries have read."""

    __slots__ = ("token",)

    def __init__(self, token: Token) -> None:
        super().__init__()
        self.token = token


class Node(Vertex):
    """The memoised result of one query for one tuple of arguments. Owned by the engine; read-only for others."""

    __slots__ = (
        "args",
        "collected",
        "dependencies",
        "error",
        "query",
        "runner",
        "suspects",
        "value",
        "verified_at",
        "watchers",
    )

    def __init__(self, query: Recipe, args: tuple[Any, ...]) -> None:
        super().__init__()
        self.query = query
        self.args = args
        self.value: Any = UNSET
        self.error: Exception | None = None
        # In the order in which they were read; of a collection with the keys by the nodes of their values.
        self.dependencies: tuple[Input | Node, ...] | dict[Input | Node, Any] = ()
        self.collected: Collected | None = None
        self.watchers: list[Watcher] | None = None
        # Dependencies that may have changed, each since a revision or (None) since verified_at; None while the value
        # is known to be current.
        self.suspects: dict[Input | Node, int | None] | None = {}
        self.verified_at = 0
        # Who brings it up to date at the moment: a fiber, or the engine itself.
        self.runner: Runner | None = None

    @property
    def is_stale(self) -> bool:
        """Whether something that it was made of may have changed."""
        return self.suspects is not None

    def unwatch(self, watcher: Watcher) -> None:
        """Undo one time that ``watcher`` was added."""
        if self.watchers is not None:
            self.watchers.remove(watcher)
            self.watchers = self.watchers or None

    def keep(self, value: Any, error: Exception | None, revision: int) -> None:  # noqa: ANN401 - any query's value
        """Note what came out; a value that is equal to the one before is no change."""
        if error is not None or self.error is not None or self.value is UNSET or self.value != value:
            self.changed_at = revision
            self.value = value
            self.error = error

    def __repr__(self) -> str:
        return f"{self.query.name}{self.args!r}"


class Frame:
    """A query that is running: what it has read so far, in order, and what of that has become outdated since.

    Of the reads the first ``linked`` are known to what was read; the others will be when the query ends or pauses.
    """

    __slots__ = ("linked", "node", "outdated", "outer", "reads")

    def __init__(self, node: Node, outer: "Frame | None") -> None:
        self.node = node
        self.outer = outer
        self.reads: dict[Input | Node, Any] = {}
        self.linked = 0
        self.outdated: dict[Input | Node, int | None] = {}


def link_all(reads: "Iterable[Input | Node]", dependent: Node) -> None:
    """``Vertex.link`` for all that a result has read, which mostly nobody else has yet."""
    for each in reads:
        if not each._dependents:  # noqa: SLF001 - of this module, and on the way of every result
            each._dependents = dependent  # noqa: SLF001 - as above
        else:
            each.link(dependent)


def link_reads(frame: Frame | None) -> None:
    """Make what a query and those around it have read so far known to what was read."""
    while frame is not None:
        link_all(islice(frame.reads, frame.linked, None), frame.node)
        frame.linked = len(frame.reads)
        frame = frame.outer


def until_free(node: Node, runner: Runner, is_due: Callable[[], bool]) -> Callable[[], bool]:
    """When the turn of a runner is over that goes on only because another one waits for ``node``."""
    return lambda: node.runner is not runner or is_due()


def value_of(node: "Input | Node") -> Any:  # noqa: ANN401 - any query's value
    """The value of an up-to-date node. Raises the error that it failed with."""
    if not isinstance(node, Node):
        message = "a collection reads queries only"
        raise TypeError(message)
    if node.error is not None:
        raise node.error
    return node.value


def spread_suspicion(changed: "Input | Node") -> None:
    """Tell all dependents of ``changed``, transitively, that it may have changed.

    A node that is suspect already has told its own dependents, so the walk ends there.
    """
    pending: list[Input | Node] = [changed]
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
                dependent.suspects.setdefault(current)


def find_culprit(node: Node) -> Node:
    """Of a failed result the one that failed first: all others only read it."""
    for each in node.dependencies:
        if isinstance(each, Node) and each.error is node.error:
            return find_culprit(each)
    return node


def find_flaws(node: Node) -> Iterator[tuple[Any, Node]]:
    """Keys of collections that a result is directly made of whose values could not be had, with their nodes."""
    for each in node.dependencies:
        if isinstance(each, Node) and each.collected is not None:
            yield from each.collected.flaws()


def iter_origins(node: Node) -> Iterator[Token]:
    """See ``Engine.origins``."""
    seen: set[int] = set()
    pending: list[Input | Node] = [node]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Input):
            yield current.token
            continue
        if current.collected is not None:
            seen.update(map(id, current.collected.covered()))
        pending.extend(reversed(current.dependencies))


def iter_dependents(leaf: Input | None) -> Iterator[Node]:
    """See ``Engine.iter_dependents``."""
    seen: set[Node] = set()
    pending: list[Input | Node] = [leaf] if leaf is not None else []
    while pending:
        for dependent in tuple(pending.pop().dependents):
            if dependent not in seen:
                seen.add(dependent)
                pending.append(dependent)
                yield dependent


def difference(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
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
