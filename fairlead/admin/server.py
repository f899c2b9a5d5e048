"""Serves the admin pages with aiohttp."""

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
from aiohttp import web

from fairlead.address import Address
from fairlead.admin.page import Page, PageError
from fairlead.metrics import Metrics

_Handler = Callable[[web.Request], Awaitable[web.Response]]
_INDEX: Final = "<!doctype html><title>fairlead</title><ul>{}</ul>\n"


class Readiness(NamedTuple):
    """Whether proxies are served, and why what they are served may be old or incomplete (empty if it is not)."""

    is_ready: Callable[[], bool]
    complaint: Callable[[], str]


class AdminServer:
    """An async context manager that listens while its block runs.

    ``pages`` are served by their paths as JSON, indented with the parameter ``pretty``.
    """

    def __init__(self, address: Address, metrics: Metrics, readiness: Readiness, pages: dict[str, Page]) -> None:
        self._address = address
        self._metrics = metrics
        self._readiness = readiness
        self._pages = pages
        self._runner = web.AppRunner(self._application(), access_log=None, handle_signals=False)
        self.port = 0

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError when the address cannot be used."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._address.host, self._address.port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self._index)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/version", self._version)
        application.router.add_get("/metrics", self._serve_metrics)
        application.router.add_get("/debug", self._debug_index)
        for path, page in self._pages.items():
            application.router.add_get(path, _json_page(page))
        return application

    async def _index(self, request: web.Request) -> web.Response:
        return _json(request, {"pages": ["/healthz", "/ready", "/version", "/metrics", *self._pages]})

    async def _debug_index(self, _: web.Request) -> web.Response:
        links = "".join(f'<li><a href="{path}?pretty">{path}</a>' for path in sorted(self._pages))
        return web.Response(text=_INDEX.format(links), content_type="text/html")

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        complaint = self._readiness.complaint()
        reason = f": {complaint}" if complaint else ""
        if self._readiness.is_ready():
            # Proxies are better served with what was known last than not at all.
            return web.Response(text=f"ready, with what was known last{reason}\n" if reason else "ready\n")
        text = f"the configuration is still being read for the first time{reason}\n"
        return web.Response(status=503, text=text)

    async def _version(self, request: web.Request) -> web.Response:
        return _json(request, {"version": version("fairlead")})

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"})


def _json_page(page: Page) -> _Handler:
    async def serve(request: web.Request) -> web.Response:
        try:
            return _json(request, page(request.query))
        except PageError as error:
            return web.Response(status=error.status, text=f"{error}\n")

    return serve


def _json(request: web.Request, content: Any) -> web.Response:  # noqa: ANN401 - anything JSON can hold
    body = msgspec.json.encode(content, enc_hook=str)
    if "pretty" in request.query:
        body = msgspec.json.format(body, indent=2)
    return web.Response(body=body + b"\n", content_type="application/json")
