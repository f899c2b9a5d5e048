"""Streams and bindings find each other, also while a proxy has two streams."""

from types import SimpleNamespace
from typing import Any

from fairlead.proxies import Proxies


def test_both_directions_and_two_streams_of_one_proxy() -> None:
    proxies = Proxies()
    first, second = (SimpleNamespace(id=number) for number in (1, 2))
    old, new = object(), object()
    bindings: list[tuple[Any, Any]] = [(first, old), (second, new)]
    for client, binding in bindings:
        proxies.add(client, binding)
    assert list(proxies) == bindings
    for client, binding in bindings:
        assert proxies.binding_of(client) == binding
        assert proxies.client_of(binding) == client
    leaving: Any = first
    assert proxies.remove(leaving) is old
    assert proxies.remove(leaving) is None
    assert len(proxies) == 1
    assert list(proxies) == bindings[1:]
