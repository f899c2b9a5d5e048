"""A control plane in thirty lines: one Envoy, one listener, and a greeting that changes every second.

python examples/xds_library.py
envoy -c examples/xds_library.yaml
watch -n 1 curl -s localhost:10000
"""

import asyncio
import itertools

from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from xds.cache import SnapshotCache
from xds.server import XdsServer


def greeting(number: int) -> RouteConfiguration:
    """Answers every request by itself."""
    answer = {"status": 200, "body": {"inline_string": f"hello number {number}\n"}}
    route = {"match": {"prefix": "/"}, "direct_response": answer}
    return RouteConfiguration(name="greeting", virtual_hosts=[{"name": "all", "domains": ["*"], "routes": [route]}])


async def main() -> None:
    """HTTP on port 10000 with routes from the same stream; serves until interrupted."""
    by_ads = {"route_config_name": "greeting", "config_source": {"ads": {}, "resource_api_version": "V3"}}
    manager = HttpConnectionManager(stat_prefix="hello", rds=by_ads, http_filters=[{"name": "router"}])
    manager.http_filters[0].typed_config.Pack(Router())
    listener = Listener(name="hello", address={"socket_address": {"address": "127.0.0.1", "port_value": 10000}})
    listener.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    cache = SnapshotCache()
    server = XdsServer(cache, observers=[lambda event: print(type(event).__name__)])
    cache.connect(server)
    cache.set("hello-envoy", [listener, greeting(0)])
    await server.start("127.0.0.1:18000")
    for number in itertools.count(1):
        await asyncio.sleep(1)
        cache.update("hello-envoy", [greeting(number)])


if __name__ == "__main__":
    asyncio.run(main())
