"""What many new clients ask for alike is looked up once, until the View changes."""

import itertools

from xds.encoder import Encoder
from xds.ledger import Pools
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT

NAMES = frozenset({"b", "a", "missing"})
HELD = {name: Resource(ENDPOINT, name, name.encode()) for name in "ab"}


def test_names_are_looked_up_once_and_in_order() -> None:
    encoder, asked = Encoder(itertools.count(1), Pools(), delta=True), list[str]()

    def target(name: str) -> Resource | None:
        asked.append(name)
        return HELD.get(name)

    first = encoder.answers(ENDPOINT, NAMES, target)
    assert encoder.answers(ENDPOINT, NAMES, target) is first
    assert asked == ["a", "b", "missing"]
    assert dict(first) == {"a": HELD["a"], "b": HELD["b"], "missing": None}
    assert encoder.answers(CLUSTER, NAMES, target) is not first
    encoder.forget_answers()
    assert encoder.answers(ENDPOINT, NAMES, target) is not first
