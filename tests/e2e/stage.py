"""What the scenarios share: the YAML that most of them start from, and judgements about shares of traffic."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlead.mesh.clients import HttpClient
from fairlead.mesh.load import send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.traffic import Answer, Traffic

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: frontend-gateway
spec:
  selector:
    istio: ingressgateway
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A way into the mesh: the proxy that takes the requests, and a client of its listener."""

    proxy: Proxy
    client: HttpClient


@asynccontextmanager
async def open_mesh(workdir: Path) -> AsyncIterator[LocalMesh]:
    """A control plane on an empty folder. Whatever happens in the mesh, no Envoy may reject what it is sent."""
    async with LocalMesh(workdir) as mesh:
        yield mesh
        for proxy in await mesh.control_plane.debug("proxies"):
            rejected = {name: status["rejected"] for name, status in proxy["types"].items() if status["nacks"]}
            assert not rejected, f"{proxy['proxy']}: {rejected}"
        errors = [record for record in mesh.control_plane.records() if record.get("level") in {"error", "critical"}]
        assert not [error for error in errors if error["event"] != "finding.new"], mesh.control_plane.describe()


async def start_ingress(mesh: LocalMesh, stream: Stream) -> Proxy:
    """An ingress gateway; its Service maps 80 and 8080 to ports that are free on this machine."""
    return await mesh.start_gateway({80: mesh.addresses.port(), 8080: mesh.addresses.port()}, stream=stream)


def ingress_route(host: str, port: int, name: str = "ingress") -> str:
    """A VirtualService that takes every request for a host name from the gateway to the service of that name."""
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
spec:
  hosts: [{host}]
  gateways: [frontend-gateway]
  http:
  - route:
    - destination: {{host: {host}, port: {{number: {port}}}}}
"""


async def collect_split(
    send: Callable[[], Awaitable[Answer]], expected: Mapping[str, float], count: int, tolerance: float
) -> Traffic:
    """Send requests until the shares of versions are as expected, and fail if they are not after three rounds.

    Envoy throws dice for every request. A fair 50/50 split over 2,000 requests misses 50 % +- 3 % once in 140
    rounds by pure chance, a wrong split misses it in every round; all rounds count together.
    """
    traffic = Traffic()
    for _ in range(3):
        traffic.answers.extend(await send_many(send, count))
        assert not traffic.failed, traffic.describe_failures()
        if all(abs(traffic.share(version) - share) <= tolerance for version, share in expected.items()):
            return traffic
    raise AssertionError(f"expected {dict(expected)} +- {tolerance}, got {traffic.by_version()} of {len(traffic)}")
