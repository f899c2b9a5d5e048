"""Real Envoys fed from a SnapshotCache: a rig with backends behind one listener."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from google.protobuf.message import Message

from fairlead.mesh.addresses import Addresses
from fairlead.mesh.clients import HttpClient
from fairlead.mesh.envoy import EnvoyProcess
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from tests.protocol.messages import cluster, endpoints, listener, routes
from xds.cache import SnapshotCache
from xds.events import Event, Observer, StreamRefused
from xds.options import ServerOptions
from xds.server import XdsServer

_HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def bootstrap(xds: str, admin: str, api_type: str, more: Mapping[str, object]) -> str:
    """The bootstrap of an Envoy that gets everything from one server; ``more`` is added to it."""
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    service = {"envoy_grpc": {"cluster_name": "xds"}}
    return json.dumps(
        {
            "node": {"id": "edge", "cluster": "tests"},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": api_type,
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": True,
                    "grpc_services": [service],
                },
                "lds_config": source,
                "cds_config": source,
            },
            "static_resources": {
                "clusters": [
                    {
                        "name": "xds",
                        "type": "STATIC",
                        "connect_timeout": "1s",
                        "load_assignment": {
                            "cluster_name": "xds",
                            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(xds)}}]}],
                        },
                        "typed_extension_protocol_options": {
                            _HTTP2: {
                                "@type": f"type.googleapis.com/{_HTTP2}",
                                "explicit_http_config": {"http2_protocol_options": {}},
                            }
                        },
                    }
                ]
            },
            "admin": {"address": _socket(admin)},
            **more,
        }
    )


def _socket(address: str) -> dict[str, object]:
    ip, _, port = address.rpartition(":")
    return {"socket_address": {"address": ip, "port_value": int(port)}}


@dataclass
class Edge:
    """One Envoy with a listener in front of two backends, and the server that feeds it."""

    addresses: Addresses
    backends: dict[str, Backend]
    options: ServerOptions = field(default_factory=ServerOptions)
    events: list[Event | StreamRefused] = field(default_factory=list)
    cache: SnapshotCache = field(default_factory=SnapshotCache)
    server: XdsServer = field(init=False)
    envoy: EnvoyProcess = field(init=False)
    client: HttpClient = field(init=False)
    xds: str = field(init=False)
    front: str = field(init=False)

    def __post_init__(self) -> None:
        self.front = f"{self.addresses.ip()}:8080"
        self.xds = f"{self.addresses.ip()}:15010"

    def of(self, kind: type[Event]) -> list[Event]:
        """All events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def backend(self, name: str) -> str:
        """The address of a backend."""
        return self.backends[name].instance.address

    def mesh(self, weights: dict[str, int], *, timeout: int = 5) -> list[Message]:
        """Everything the Envoy needs to split traffic over these backends."""
        found: list[Message] = [listener("front", self.front, "front"), routes("front", weights)]
        for name in weights:
            found += [cluster(name, timeout=timeout), endpoints(name, [self.backend(name)])]
        return found

    async def serve(self) -> None:
        """Start a server, as after a restart: nothing but the resources is known."""
        observers: list[Observer] = [self.events.append]
        cache, self.cache = self.cache, SnapshotCache()
        self.cache.set("edge", cache.snapshot("edge").all())
        self.server = XdsServer(self.cache, observers=observers, options=self.options)
        self.cache.connect(self.server)
        await self.server.start(self.xds)


@asynccontextmanager
async def running_edge(
    folder: Path,
    api_type: str,
    content: dict[str, int] | Callable[[str], list[Message]],
    *,
    options: ServerOptions | None = None,
    more: Mapping[str, object] = MappingProxyType({}),
) -> AsyncIterator[Edge]:
    """A server, an Envoy that has its configuration, and backends named v1 and v2.

    The content is the weights of the backends, or everything that the Envoy needs to listen on an address.
    """
    async with AsyncExitStack() as stack:
        addresses = stack.enter_context(Addresses())
        backends = {}
        for name in ("v1", "v2"):
            instance = Instance("httpbin", name, addresses.ip(), 8080)
            backends[name] = await stack.enter_async_context(httpbin.build_backend(instance))
        edge = Edge(addresses, backends, options or ServerOptions())
        edge.cache.set("edge", content(edge.front) if callable(content) else edge.mesh(content))
        await edge.serve()
        stack.push_async_callback(lambda: edge.server.stop(0.2))
        admin = f"{addresses.ip()}:15000"
        config = folder / "edge.json"
        config.write_text(bootstrap(edge.xds, admin, api_type, more))
        edge.envoy = await stack.enter_async_context(EnvoyProcess("edge", config, admin))
        edge.client = await stack.enter_async_context(HttpClient(edge.front))
        yield edge
