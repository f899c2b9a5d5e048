"""Changes to request and response headers."""

from collections.abc import Iterator, Mapping
from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2

from translator.objects.virtual_service import HeaderOperations, Headers

_SET: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ADD: Final = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
_AUTHORITY: Final = frozenset({"host", ":authority"})


def mutate_headers(
    target: route_components_pb2.Route | route_components_pb2.WeightedCluster.ClusterWeight, headers: Headers | None
) -> None:
    """Append the changes to those that a route, or one of its weighted clusters, makes already."""
    if headers is None:
        return
    if headers.request is not None:
        target.request_headers_to_add.extend(_additions(headers.request))
        target.request_headers_to_remove.extend(_removals(headers.request))
    if headers.response is not None:
        target.response_headers_to_add.extend(_additions(headers.response))
        target.response_headers_to_remove.extend(_removals(headers.response))


def requested_host(headers: Headers | None) -> str:
    """The authority that the request operations ask for, empty for none; Envoy rewrites it by a field of its own."""
    if headers is None or headers.request is None:
        return ""
    for values in (headers.request.set, headers.request.add):
        for name in sorted(values):
            if name.lower() in _AUTHORITY:
                return values[name]
    return ""


def _additions(operations: HeaderOperations) -> Iterator[base_pb2.HeaderValueOption]:
    """All that replace, then all that append, each sorted by name."""
    yield from _options(operations.set, _SET)
    yield from _options(operations.add, _ADD)


def _options(
    values: Mapping[str, str], action: base_pb2.HeaderValueOption.HeaderAppendAction
) -> Iterator[base_pb2.HeaderValueOption]:
    for name in sorted(values):
        if _is_ordinary(name):
            yield base_pb2.HeaderValueOption(
                header=base_pb2.HeaderValue(key=name, value=values[name]), append_action=action
            )


def _removals(operations: HeaderOperations) -> Iterator[str]:
    return (name for name in operations.remove if _is_ordinary(name))


def _is_ordinary(name: str) -> bool:
    """Envoy does not let a route change pseudo headers and the host as headers."""
    return not name.startswith(":") and name.lower() != "host"
