"""The HTTP filters of connection managers and their order."""

import pkgutil

import pytest

from translator import http_filters
from translator.http_filters.filter import FilterInputs, Side
from translator.http_filters.registry import FILTERS, build_http_filters
from translator.model.protocol import Protocol


def names(*protocols: Protocol, side: Side = Side.OUTBOUND) -> list[str]:
    """The names of the filters, without their common prefix."""
    inputs = FilterInputs(side=side, protocols=frozenset(protocols))
    return [each.name.removeprefix("envoy.filters.http.") for each in build_http_filters(inputs)]


@pytest.mark.parametrize("side", Side)
def test_the_usual_chain(side: Side) -> None:
    assert names(Protocol.HTTP, side=side) == ["grpc_stats", "fault", "cors", "router"]


def test_grpc_web_comes_first_where_it_is_spoken() -> None:
    assert names(Protocol.HTTP, Protocol.GRPC_WEB) == ["grpc_web", "grpc_stats", "fault", "cors", "router"]


def test_every_filter_is_registered_once() -> None:
    modules = {module.name for module in pkgutil.iter_modules(http_filters.__path__)} - {"filter", "registry"}
    assert sorted(each.NAME.removeprefix("envoy.filters.http.") for each in FILTERS) == sorted(modules)
