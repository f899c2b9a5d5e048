"""Sovereign's template for every type of resource: what its source holds for the service cluster of the proxy.

Sovereign loads it by its path, once for each type, and calls it for every poll.
"""

from collections.abc import Iterator
from typing import Any


def call(
    discovery_request: Any,  # noqa: ANN401 - Sovereign's own record of a request
    resource_names: list[str],
    instances: list[dict[str, Any]],
    **_: object,
) -> Iterator[dict[str, Any]]:
    """The resources of the requested type: those that were asked for by name, or all."""
    for instance in instances:
        resources = instance["resources"].get(discovery_request.type_url, {})
        if resource_names:
            yield from (resources[name] for name in resource_names if name in resources)
        else:
            yield from resources.values()
