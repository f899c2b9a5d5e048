"""How HTTP clients of the mesh connect: from this machine's own network, or from inside a namespace."""

from typing import Any

import aiohttp

from fairlead.mesh.netns import NetworkNamespace


def build_connector(namespace: NetworkNamespace | None = None, **options: Any) -> aiohttp.TCPConnector:  # noqa: ANN401
    """A connection pool; ``options`` are those of aiohttp's connector. Needs a running event loop."""
    if namespace is not None:
        options["socket_factory"] = lambda info: namespace.open_socket(*info[:3])
    return aiohttp.TCPConnector(**options)
