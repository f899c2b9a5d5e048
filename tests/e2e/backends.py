"""Backends with a will of their own: they fail so many times, they remember what they got, they speak WebSocket."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from fairlead.mesh.services.backend import Backend, Instance

RESET = 0
"""In place of a status: the connection is closed without an answer."""


@dataclass(slots=True)
class Script:
    """What a backend does with its next requests, shared by all pods of a workload; then it answers 200."""

    statuses: deque[int] = field(default_factory=deque)
    delays: deque[float] = field(default_factory=deque)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Host and path of every request."""

    def build(self, instance: Instance) -> Backend:
        """A backend that follows the script."""
        return build_backend(instance, self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.host, request.raw_path))
        status = self.statuses.popleft() if self.statuses else 200
        if self.delays:
            await asyncio.sleep(self.delays.popleft())
        if status == RESET and request.transport is not None:
            request.transport.close()
        facts = {"host": request.host, "path": request.raw_path, "headers": dict(request.headers)}
        return web.json_response({**facts, "peer": peer_of(request)}, status=status or 500)


def peer_of(request: web.Request) -> str:
    """Who connected, as ``ip:port``."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return f"{peer[0]}:{peer[1]}" if peer else ""


def build_backend(instance: Instance, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Backend:
    """A backend with one handler for everything."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    return Backend(instance, application)


def build_websocket(instance: Instance) -> Backend:
    """A backend that sends every WebSocket message back behind its version."""

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(f"{instance.version} {message.data}")
        return socket

    return build_backend(instance, answer)
