"""A small engine over named integers, and a watcher of its results."""

from translator.engine import Engine
from translator.node import Node


class Cells(Engine):
    """An engine over named integers."""

    def __init__(self, **values: int) -> None:
        super().__init__()
        self.values = values

    def read(self, name: str) -> int:
        self.record(name)
        return self.values[name]

    def write(self, **values: int) -> None:
        self.values.update(values)
        self.invalidate(values)


class Notes:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def invalidated(self, node: Node) -> None:
        self.nodes.append(node)
