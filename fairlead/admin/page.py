"""What a debug page is: a function from the parameters of the address to a value that becomes JSON."""

from collections.abc import Callable, Mapping
from typing import Any

Parameters = Mapping[str, str]
Page = Callable[[Parameters], Any]


class PageError(Exception):
    """A page cannot be shown; ``status`` is that of HTTP, the text says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
