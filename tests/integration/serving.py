"""A control plane in this process on a real folder, and a delta xDS client that keeps what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
import grpc
import grpc.aio
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import json_format
from google.rpc import status_pb2
from structlog.testing import capture_logs

from fairlead.address import Address
from fairlead.app import ControlPlane
from fairlead.identity import ProxyIdentity
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import ServeSettings
from translator.model.proxy import Capture, Role
from xds.types import CLUSTER, ENDPOINT, TypeUrl

DEADLINE = 10.0
DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
ANYWHERE = Address("127.0.0.1", 0)


class Rig:
    """A running control plane, its folder and its log."""

    def __init__(self, plane: ControlPlane, root: Path, logs: list[Any]) -> None:
        self.plane = plane
        self.root = root
        self.logs = logs

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder at once."""
        draft = self.root / f".{name}"
        draft.write_text(text)
        return draft.replace(self.root / name)

    async def logged(self, event: str, **fields: object) -> Mapping[str, Any]:
        """Wait for a log entry with these fields."""

        async def probe() -> Mapping[str, Any]:
            for entry in self.logs:
                if entry["event"] == event and fields.items() <= entry.items():
                    return dict(entry)
            raise NotYetError(f"no {event} with {fields} in {self.logs}")

        return await wait_until(probe)

    async def page(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """A page of the admin interface."""
        async with aiohttp.request("GET", f"http://{self.plane.admin_address}{path}") as response:
            return await response.json(content_type=None) if path.startswith("/debug") else await response.text()

    async def findings(self) -> list[dict[str, Any]]:
        """What is wrong now."""
        found: list[dict[str, Any]] = await self.page("/debug/findings")
        return found


@asynccontextmanager
async def serving(root: Path, *, wait: bool = True, withholds_secrets: bool = False) -> AsyncIterator[Rig]:
    """Serve a folder; ``withholds_secrets``: on an address that other machines reach as well."""
    xds = Address("0.0.0.0", 0) if withholds_secrets else ANYWHERE  # noqa: S104 - that is the point
    async with serve(ServeSettings(config_dir=root, xds=xds, admin=ANYWHERE, grace=0.2), wait=wait) as rig:
        yield rig


@asynccontextmanager
async def serve(settings: ServeSettings, *, wait: bool = True) -> AsyncIterator[Rig]:
    """Serve whatever the settings say."""
    with capture_logs() as logs:
        plane = ControlPlane(settings)
        task = asyncio.create_task(plane.run())
        try:
            if wait:
                await _until_ready(plane, task)
            yield Rig(plane, settings.config_dir or Path(), logs)
        finally:
            plane.stop()
            await task


async def _until_ready(plane: ControlPlane, task: asyncio.Task[None]) -> None:
    """Wait until it serves, or has ended instead: why, its task tells."""
    ready = asyncio.create_task(plane.ready.wait())
    try:
        await asyncio.wait((ready, task), timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and not ready.done():
            raise TimeoutError("it does not get ready")
    finally:
        ready.cancel()


def identity(name: str = "client", namespace: str = "default", **rest: Any) -> ProxyIdentity:  # noqa: ANN401 - fields
    """A sidecar's identity."""
    defaults: dict[str, Any] = {"role": Role.SIDECAR, "addresses": ("127.9.9.9",), "capture": Capture.NONE}
    return ProxyIdentity(name=name, namespace=namespace, **{**defaults, **rest})


def _node(who: ProxyIdentity | base_pb2.Node | None) -> base_pb2.Node:
    who = who or identity()
    return json_format.ParseDict(who.node(), base_pb2.Node()) if isinstance(who, ProxyIdentity) else who


class DeltaClient:
    """One stream, in plain text or by credentials. Every response is accepted, unless ``refuse`` says why not."""

    def __init__(
        self,
        address: Address,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.resources: dict[TypeUrl, dict[str, discovery_pb2.Resource]] = {}
        self.refuse: Callable[[discovery_pb2.DeltaDiscoveryResponse], str] = lambda _: ""
        options = [("grpc.use_local_subchannel_pool", 1)]
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(str(address), options=options)
        else:
            host = address.host if address.is_loopback else "127.0.0.1"
            self._channel = grpc.aio.secure_channel(f"{host}:{address.port}", credentials, options=options)
        self._metadata = tuple(metadata)
        self.call: grpc.aio.StreamStreamCall[bytes, bytes] = self._channel.stream_stream(DELTA)(metadata=self._metadata)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.call.cancel()
        await self._channel.close()

    async def introduce(self, who: ProxyIdentity | base_pb2.Node | None = None) -> None:
        """Ask for all clusters, as the first request."""
        await self.subscribe(CLUSTER, node=_node(who))

    async def refusal(self, who: ProxyIdentity | None = None) -> grpc.StatusCode:
        """How a client that introduces itself is refused, without a single response."""
        # A call with its one request at the beginning: for gRPC's client a call that ends while it writes is INTERNAL.
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, node=_node(who))
        ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(DELTA)
        call = ask(request.SerializeToString(), metadata=self._metadata)
        async with asyncio.timeout(DEADLINE):
            with suppress(grpc.aio.AioRpcError):
                assert await call.read() is grpc.aio.EOF
            return await call.code()

    async def subscribe(self, type_url: TypeUrl, names: Iterable[str] = (), node: base_pb2.Node | None = None) -> None:
        """Ask for resources; no names: all of them."""
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=type_url, resource_names_subscribe=list(names), node=node
        )
        await self.call.write(request.SerializeToString())

    async def hear(self) -> discovery_pb2.DeltaDiscoveryResponse:
        """The next response, taken over and answered."""
        async with asyncio.timeout(DEADLINE):
            raw = await self.call.read()
        assert isinstance(raw, bytes), f"{await self.call.code()}: {await self.call.details()}"
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(raw)
        reason = self.refuse(response)
        detail = status_pb2.Status(code=3, message=reason) if reason else None
        answer = discovery_pb2.DeltaDiscoveryRequest(
            type_url=response.type_url, response_nonce=response.nonce, error_detail=detail
        )
        await self.call.write(answer.SerializeToString())
        if not reason:
            held = self.resources.setdefault(TypeUrl(response.type_url), {})
            held.update({resource.name: resource for resource in response.resources})
            for name in response.removed_resources:
                held.pop(name, None)
        return response

    async def until(self, condition: Callable[[], bool]) -> None:
        """Listen until the responses have brought something about."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await self.hear()

    def clusters(self) -> set[str]:
        """The names of the outbound clusters."""
        return {name for name in self.resources.get(CLUSTER, {}) if name.startswith("outbound|")}

    def endpoints(self, cluster: str) -> set[str]:
        """The addresses of a cluster's endpoints."""
        resource = self.resources.get(ENDPOINT, {}).get(cluster)
        if resource is None:
            return set()
        assignment = endpoint_pb2.ClusterLoadAssignment.FromString(resource.resource.value)
        return {
            each.endpoint.address.socket_address.address
            for locality in assignment.endpoints
            for each in locality.lb_endpoints
        }

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended."""
        async with asyncio.timeout(DEADLINE):
            return await self.call.code(), await self.call.details()
