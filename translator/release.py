"""Dropping results that nothing needs any more: at once, or put off and done in turns.

What is put off stays what it was until its turn comes, edges and all: who asks for it meanwhile finds it up to date
or brings it up to date, and it lives on. So each candidate is judged when it is looked at, not when it is handed in.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from itertools import count, islice
from typing import Any, Final

from translator.node import Input, Node, Recipe, Token, Watcher
from translator.remains import dismantle, is_large, take_apart

# So many steps are done between two looks at whether the turn is over.
_BREATH: Final = 32
# So many take a fraction of a millisecond.
_AT_ONCE: Final = 256


class Releaser:
    """Takes inputs and results without dependents and watchers out of what the engine holds, and what only they needed.

    Never while a query is running: what it has read so far does not know of it yet. ``loose`` results are left alone.
    """

    def __init__(
        self,
        inputs: MutableMapping[Token, Input],
        nodes: Mapping[Recipe, MutableMapping[tuple[Any, ...], Node]],
        loose: set[Node],
    ) -> None:
        self._inputs = inputs
        self._nodes = nodes
        self._loose = loose
        self._put_off: deque[Iterator[None]] = deque()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is put off."""
        return not self._put_off

    def drop(self, candidates: Iterable[Input | Node]) -> None:
        """Drop those that nothing needs: at a stretch, or what is left after many steps in turns."""
        walk = self._walk(list(candidates))
        if sum(1 for _ in islice(walk, _AT_ONCE)) == _AT_ONCE:
            self._put_off.append(walk)

    def put_off(self, candidates: Iterable[Input | Node]) -> None:
        """Have ``sweep`` drop them, if nothing needs them by then."""
        self._put_off.append(self._walk(list(candidates)))

    def put_off_unwatching(self, nodes: Iterable[Node], watcher: Watcher) -> None:
        """Have ``sweep`` undo one ``watch`` of each of these nodes, and drop them; they are asked for one by one."""
        self._put_off.append(self._unwatch(nodes, watcher))

    def sweep(self, is_due: Callable[[], bool]) -> bool:
        """Go on with what was put off until ``is_due``; returns whether nothing is left of it."""
        steps = count(1)
        while self._put_off:
            for _ in self._put_off[0]:
                if not next(steps) % _BREATH and is_due():
                    return False
            self._put_off.popleft()
        return True

    def _unwatch(self, nodes: Iterable[Node], watcher: Watcher) -> Iterator[None]:
        for node in nodes:
            node.unwatch(watcher)
            yield from self._walk([node])

    def _walk(self, pending: list[Input | Node]) -> Iterator[None]:
        # Taken from the list one by one: else all would be freed in one step, the last.
        while pending:
            candidate = pending.pop()
            if isinstance(candidate, Input):
                self._forget_input(candidate)
            elif self._forget(candidate):
                dependencies = list(candidate.dependencies)
                if is_large(candidate):
                    yield from dismantle(take_apart(candidate))
                while dependencies:
                    dependency = dependencies.pop()
                    dependency.unlink(candidate)
                    pending.append(dependency)
                    yield
            yield

    def _forget_input(self, candidate: Input) -> None:
        # It may be out already, and another in its place; likewise below.
        if not candidate.dependents and self._inputs.get(candidate.token) is candidate:
            del self._inputs[candidate.token]

    def _forget(self, candidate: Node) -> bool:
        """Take a result out, unless something needs it; returns whether what it needed itself may be dropped."""
        if candidate.dependents or candidate.watchers or candidate.runner or candidate in self._loose:
            return False
        alike = self._nodes[candidate.query]
        if alike.get(candidate.args) is not candidate:
            return False
        del alike[candidate.args]
        return True
