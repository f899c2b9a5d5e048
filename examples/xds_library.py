"""A control plane in thirty lines: one Envoy, one listener, and a greeting that changes every second.

python examples/xds_library.py
envoy -c examples/xds_library.yaml
watch -n 1 curl -s localhost:10000
"""

import asyncio
import itertools

from envoy.config.core.v3 import config_source_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from xds.cache import SnapshotCache
from xds.server import XdsServer


def listener() -> listener_pb2.Listener:
    """HTTP on port 10000, with routes from the same stream."""
    manager = hcm_pb2.HttpConnectionManager(stat_prefix="hello", rds={"route_config_name": "greeting"})
    manager.rds.config_source.ads.SetInParent()
    manager.rds.config_source.resource_api_version = config_source_pb2.V3
    manager.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    made = listener_pb2.Listener(name="hello")
    made.address.socket_address.address, made.address.socket_address.port_value = "127.0.0.1", 10000
    made.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    return made


def greeting(number: int) -> route_pb2.RouteConfiguration:
    """Answers every request by itself."""
    made = route_pb2.RouteConfiguration(name="greeting")
    route = made.virtual_hosts.add(name="all", domains=["*"]).routes.add(match={"prefix": "/"})
    route.direct_response.status = 200
    route.direct_response.body.inline_string = f"hello number {number}\n"
    return made


async def main() -> None:
    """Serve until interrupted."""
    cache = SnapshotCache()
    server = XdsServer(cache, observers=[lambda event: print(type(event).__name__)])
    cache.connect(server)
    cache.set("hello-envoy", [listener(), greeting(0)])
    cache.check_consistency("hello-envoy")
    await server.start("127.0.0.1:18000")
    for number in itertools.count(1):
        await asyncio.sleep(1)
        cache.update("hello-envoy", [greeting(number)])


if __name__ == "__main__":
    asyncio.run(main())
