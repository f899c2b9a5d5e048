"""gRPC servers that tell who they are, and a client process that finds them by xDS, without any Envoy."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

DEADLINE = 30.0


@asynccontextmanager
async def greeting(listen: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """A gRPC server that answers with its own address, which is given."""
    server = grpc.aio.server()

    async def greet(_: bytes, call: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return address.encode()

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(greet)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Greeter", {"Greet": handler}),))
    address = f"{listen.rpartition(':')[0]}:{server.add_insecure_port(listen)}"
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


def write_bootstrap(path: Path, xds: str, node: Mapping[str, Any]) -> Path:
    """The bootstrap of a client or server whose only server of configuration is at the address ``xds``."""
    server = {"server_uri": xds, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    template = {"server_listener_resource_name_template": "greeter/%s"}
    path.write_text(json.dumps({"xds_servers": [server], "node": dict(node), **template}))
    return path


class Caller:
    """The client process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self) -> str:
        """Call once; who answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(DEADLINE):
            return (await self._process.stdout.readline()).decode().strip()

    async def until(self, wanted: set[str]) -> list[str]:
        """Call until exactly these answered the last ten calls; everything that was answered."""
        heard: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while set(heard[-10:]) != wanted or len(heard) < 10:
                heard.append(await self.call())
        return heard


class Greeter:
    """The process of a gRPC server that takes its own listener from a control plane."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def started(self) -> str:
        """Wait until the process has asked for its listener; the address."""
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return (await self._process.stdout.readline()).decode().strip()


@asynccontextmanager
async def greeting_by_xds(listen: str, bootstrap: Path) -> AsyncIterator[Greeter]:
    """A server process that greets as ``greeting`` does, with xDS, and the bootstrap at this path."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("xds_greeter.py")),
        listen,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap)},
    )
    try:
        yield Greeter(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


@asynccontextmanager
async def calling(target: str, xds: str, folder: Path, node: Mapping[str, Any] | None = None) -> AsyncIterator[Caller]:
    """A client process of a target whose only server of configuration is at the address ``xds``."""
    bootstrap = write_bootstrap(folder / "bootstrap.json", xds, node or {"id": "caller"})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("xds_caller.py")),
        target,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap)},
    )
    try:
        yield Caller(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
