"""Serves the admin pages with aiohttp."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

from aiohttp import web

from fairlead.address import Address
from fairlead.admin.http import EXPOSITION, Listener, json_response
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
        self._metrics = metrics
        self._readiness = readiness
        self._pages = pages
        self._listener = Listener(address, self._application())

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError when the address cannot be used."""
        await self._listener.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.__aexit__(kind, error, trace)

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self._index)
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/metrics", self._serve_metrics)
        application.router.add_get("/debug", self._debug_index)
        for path, page in self._pages.items():
            application.router.add_get(path, _json_page(page))
        return application

    async def _index(self, request: web.Request) -> web.Response:
        return json_response(request, {"pages": ["/healthz", "/ready", "/version", "/metrics", *self._pages]})

    async def _debug_index(self, _: web.Request) -> web.Response:
        links = "".join(f'<li><a href="{path}?pretty">{path}</a>' for path in sorted(self._pages))
        return web.Response(text=_INDEX.format(links), content_type="text/html")

    async def _ready(self, _: web.Request) -> web.Response:
        complaint = self._readiness.complaint()
        reason = f": {complaint}" if complaint else ""
        if self._readiness.is_ready():
            # Proxies are better served with what was known last than not at all.
            return web.Response(text=f"ready, with what was known last{reason}\n" if reason else "ready\n")
        text = f"the configuration is still being read for the first time{reason}\n"
        return web.Response(status=503, text=text)

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers=EXPOSITION)


def _json_page(page: Page) -> _Handler:
    async def serve(request: web.Request) -> web.Response:
        try:
            return json_response(request, page(request.query))
        except PageError as error:
            return web.Response(status=error.status, text=f"{error}\n")

    return serve
