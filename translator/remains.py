"""Frees what a dropped result leaves behind in steps: the last reference to very many frees all of them at once.

With the lists of ten thousand services that takes thirty milliseconds.
"""

import gc
import sys
from collections.abc import Iterator
from typing import Any, Final

from translator.node import Node

# What holds fewer is freed quickly enough.
_FEW: Final = 256
# References to something that nobody else refers to: a variable, and the argument of the question.
_OURS: Final = 2
_CONTAINERS: Final = (tuple, list, dict, set, frozenset)


def is_large(node: Node) -> bool:
    """Whether the value of a result, or what it was put together with or of, holds very many."""
    value = node.value
    if node.collected is not None or len(node.dependencies) >= _FEW or _holds_many(value):
        return True
    return any(_holds_many(each) for each in gc.get_referents(value))


def take_apart(node: Node) -> list[Any]:
    """What a result leaves behind, for ``dismantle``; it is of no use from then on."""
    remains = [node.value, node.collected]
    node.value = node.collected = None
    # Else it would be the last to hold all of them, when they have been dropped one by one.
    node.dependencies = ()
    return remains


def dismantle(remains: list[Any]) -> Iterator[None]:
    """Free these and all that only they refer to, step by step."""
    while remains:
        each = remains.pop()
        # The collector does not track containers of plain texts and numbers, however many.
        if sys.getrefcount(each) <= _OURS and (isinstance(each, _CONTAINERS) or gc.is_tracked(each)):
            # The list holds what the thing holds, so that it goes alone.
            remains += gc.get_referents(each)
        yield


def _holds_many(value: object) -> bool:
    return isinstance(value, _CONTAINERS) and len(value) >= _FEW
