r"""The four services of bookinfo: a product page that asks details and reviews, reviews that ask ratings.

    python -m examples.services.bookinfo productpage --port 9080 \
        --upstream details=127.0.0.2:9080 --upstream reviews=127.0.0.2:9080

Reviews v1 shows no stars, v2 black and v3 red ones. An upstream is called on the given address (that of the
caller's own sidecar) with the service's name in the Host header. ``end-user``, request id and trace headers are
passed on. Where an upstream fails, the page says so and lives.
"""

import argparse
import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web

from .backend import Backend, Instance
from .program import add_instance_arguments, parse_instance, serve_until_signal

FORWARDED_HEADERS: Final = (
    "end-user",
    "x-request-id",
    "traceparent",
    "tracestate",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
)
STAR_COLORS: Final = {"v2": "black", "v3": "red"}
REVIEWERS: Final = ("Reviewer1", "Reviewer2")
OK: Final = 200

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Where the other services are called: ``host:port`` by service name, and how long an answer may take."""

    addresses: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0

    def url(self, service: str, path: str) -> str:
        """The URL to call. KeyError when the service has no address."""
        return f"http://{self.addresses[service]}{path}"

    def host(self, service: str) -> str:
        """The Host header, as a client writes it that knows the service by its name and port."""
        return f"{service}:{self.addresses[service].rpartition(':')[2]}"


def build_backend(role: str, instance: Instance, upstreams: Upstreams | None = None) -> Backend:
    """A backend for one of the four roles: productpage, reviews, details, ratings."""
    return Backend(instance, build_application(role, instance, upstreams or Upstreams()))


def build_application(role: str, instance: Instance, upstreams: Upstreams) -> web.Application:
    """One of the four services as an aiohttp application. KeyError for an unknown role."""
    service = ROLES[role](instance, upstreams)
    application = web.Application()
    application.cleanup_ctx.append(service.connect)
    application.router.add_get(service.path, service.answer)
    application.router.add_get("/health", _answer_health)
    return application


async def _answer_health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "healthy"})


class _Service(ABC):
    path: str

    def __init__(self, instance: Instance, upstreams: Upstreams) -> None:
        self._instance = instance
        self._upstreams = upstreams
        self._session: aiohttp.ClientSession

    async def connect(self, _application: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=self._upstreams.timeout)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            yield

    @abstractmethod
    async def answer(self, request: web.Request) -> web.Response: ...

    async def _ask(self, request: web.Request, service: str, path: str) -> Json:
        """The answer of another service, or ``{"error": reason, "status": code}``."""
        headers = {name: value for name in FORWARDED_HEADERS if (value := request.headers.get(name))}
        headers["host"] = self._upstreams.host(service)
        try:
            async with self._session.get(self._upstreams.url(service, path), headers=headers) as response:
                if response.status == OK:
                    return dict(await response.json())
                return {"error": f"{service} answered {response.status}", "status": response.status}
        except (aiohttp.ClientError, TimeoutError) as error:
            return {"error": f"{service} is unavailable: {type(error).__name__}", "status": 503}


class _ProductPage(_Service):
    path = "/productpage"

    async def answer(self, request: web.Request) -> web.Response:
        details, reviews = await asyncio.gather(
            self._ask(request, "details", "/details/0"), self._ask(request, "reviews", "/reviews/0")
        )
        user = request.headers.get("end-user")
        page = {"title": "The Comedy of Errors", "user": user, "details": details, "reviews": reviews}
        return web.json_response(page | {"version": self._instance.version})


class _Reviews(_Service):
    path = "/reviews/{product}"

    async def answer(self, request: web.Request) -> web.Response:
        color = STAR_COLORS.get(self._instance.version)
        product = request.match_info["product"]
        ratings = await self._ask(request, "ratings", f"/ratings/{product}") if color else {}
        reviews = [self._review(reviewer, color, ratings) for reviewer in REVIEWERS]
        return web.json_response({"id": product, "version": self._instance.version, "reviews": reviews})

    @staticmethod
    def _review(reviewer: str, color: str | None, ratings: Json) -> Json:
        review: Json = {"reviewer": reviewer}
        if "error" in ratings:
            review["rating"] = ratings
        elif color:
            review["rating"] = {"stars": ratings["ratings"][reviewer], "color": color}
        return review


class _Details(_Service):
    path = "/details/{product}"

    async def answer(self, request: web.Request) -> web.Response:
        product = request.match_info["product"]
        book = {"id": product, "author": "William Shakespeare", "year": 1595, "language": "English"}
        return web.json_response(book | {"version": self._instance.version})


class _Ratings(_Service):
    path = "/ratings/{product}"

    async def answer(self, request: web.Request) -> web.Response:
        ratings = dict(zip(REVIEWERS, (5, 4), strict=True))
        product = request.match_info["product"]
        return web.json_response({"id": product, "version": self._instance.version, "ratings": ratings})


ROLES: Final[Mapping[str, type[_Service]]] = {
    "productpage": _ProductPage,
    "reviews": _Reviews,
    "details": _Details,
    "ratings": _Ratings,
}


def _parse_upstream(text: str) -> tuple[str, str]:
    service, separator, address = text.partition("=")
    if not separator or ":" not in address:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=HOST:PORT")
    return service, address


def main() -> None:
    """Run one instance until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="One of the four bookinfo services.")
    parser.add_argument("role", choices=sorted(ROLES), help="which service")
    add_instance_arguments(parser, name="", port=9080)
    parser.add_argument("--upstream", type=_parse_upstream, action="append", default=[], metavar="NAME=HOST:PORT")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for an upstream (default 10)")
    arguments = parser.parse_args()
    arguments.name = arguments.name or arguments.role
    upstreams = Upstreams(dict(arguments.upstream), arguments.timeout)
    serve_until_signal(build_backend(arguments.role, parse_instance(arguments), upstreams))


if __name__ == "__main__":
    main()
