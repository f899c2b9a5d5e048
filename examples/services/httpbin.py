"""An HTTP service with the paths of httpbin that mesh users know, and JSON that says who answered what.

``/ip``, ``/user-agent``, ``/headers``, ``/hostname``, ``/version``, ``/status/CODE``, ``/delay/SECONDS``; any
other path is answered with the same facts. Every method is accepted.

    python -m examples.services.httpbin --host 127.0.0.2 --port 8080 --name httpbin --version v1
"""

import argparse
import asyncio
import random
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from .backend import Backend, Instance
from .program import add_instance_arguments, parse_instance, serve_until_signal


@dataclass(slots=True)
class Behaviour:
    """How an instance misbehaves; may be altered while it runs."""

    delay: float = 0.0
    """Seconds to wait before every answer."""
    failure_status: int = 503
    """The status of a failure."""
    failure_share: float = 0.0
    """Which part of the answers are failures: 0 none, 1 all."""


def build_application(instance: Instance, behaviour: Behaviour | None = None) -> web.Application:
    """The service as an aiohttp application."""
    paths = _Paths(instance, behaviour or Behaviour())
    application = web.Application()
    application.router.add_route("*", "/ip", paths.ip)
    application.router.add_route("*", "/user-agent", paths.user_agent)
    application.router.add_route("*", "/status/{code:\\d{3}}", paths.status)
    application.router.add_route("*", "/delay/{seconds:\\d+(?:\\.\\d+)?}", paths.delay)
    application.router.add_route("*", "/{path:.*}", paths.echo)
    return application


def build_backend(instance: Instance, behaviour: Behaviour | None = None) -> Backend:
    """A backend that serves this application."""
    return Backend(instance, build_application(instance, behaviour))


class _Paths:
    def __init__(self, instance: Instance, behaviour: Behaviour) -> None:
        self._instance = instance
        self._behaviour = behaviour

    async def ip(self, request: web.Request) -> web.Response:
        return await self._answer(request, {"origin": request.remote})

    async def user_agent(self, request: web.Request) -> web.Response:
        return await self._answer(request, {"user-agent": request.headers.get("user-agent")})

    async def status(self, request: web.Request) -> web.Response:
        return await self._answer(request, {}, int(request.match_info["code"]))

    async def delay(self, request: web.Request) -> web.Response:
        seconds = float(request.match_info["seconds"])
        await asyncio.sleep(seconds)
        return await self._answer(request, {"delay": seconds})

    async def echo(self, request: web.Request) -> web.Response:
        return await self._answer(request, {})

    async def _answer(self, request: web.Request, facts: dict[str, Any], status: int = 200) -> web.Response:
        if self._behaviour.delay:
            await asyncio.sleep(self._behaviour.delay)
        if self._behaviour.failure_share and random.random() < self._behaviour.failure_share:
            status = self._behaviour.failure_status
        body: dict[str, Any] = {
            "service": self._instance.service,
            "version": self._instance.version,
            "hostname": self._instance.address,
            "method": request.method,
            "host": request.host,
            "path": request.path_qs,
            "headers": dict(request.headers),
        }
        return web.json_response(body | facts, status=status)


def main() -> None:
    """Run one instance until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="An httpbin-like sample service.")
    add_instance_arguments(parser, name="httpbin", port=8080)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds to wait before every answer")
    parser.add_argument("--failure-status", type=int, default=503, help="status of a failure (default 503)")
    parser.add_argument("--failure-share", type=float, default=0.0, help="part of failures, from 0 to 1 (default 0)")
    arguments = parser.parse_args()
    behaviour = Behaviour(arguments.delay, arguments.failure_status, arguments.failure_share)
    serve_until_signal(build_backend(parse_instance(arguments), behaviour))


if __name__ == "__main__":
    main()
