"""The admin pages of several workers as those of one control plane."""

import asyncio
from types import TracebackType
from typing import Any, Final, Protocol, Self

import aiohttp
import msgspec
from aiohttp import web

from fairlead.address import Address
from fairlead.admin.http import EXPOSITION, Listener, json_response
from fairlead.admin.merging import merge_metrics, merge_pages

_DEADLINE: Final = aiohttp.ClientTimeout(total=10)
_GOOD: Final = 200


class Worker(Protocol):
    """Whose pages are shown."""

    number: int
    admin: Address | None
    is_ready: bool


class Workers(Protocol):
    """Who looks after the workers."""

    @property
    def is_ready(self) -> bool:
        """Whether proxies are served."""

    def workers(self) -> list[Any]:
        """Those that run."""

    def describe(self) -> list[dict[str, Any]]:
        """The workers, for a page."""


class _Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes


class MergedAdmin:
    """An async context manager that listens while its block runs."""

    def __init__(self, address: Address, workers: Workers) -> None:
        self._workers = workers
        self._listener = Listener(address, self._application())
        self._session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError when the address cannot be used."""
        await self._listener.__aenter__()
        self._session = aiohttp.ClientSession(timeout=_DEADLINE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._listener.__aexit__(kind, error, trace)

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/debug/workers", self._list_workers)
        application.router.add_get("/{path:.*}", self._page)
        return application

    async def _ready(self, _: web.Request) -> web.Response:
        if self._workers.is_ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="the workers are still reading the configuration for the first time\n")

    async def _list_workers(self, request: web.Request) -> web.Response:
        return json_response(request, self._workers.describe())

    async def _metrics(self, request: web.Request) -> web.Response:
        answers = await self._ask(request)
        merged = merge_metrics({number: answer.body.decode() for number, answer in answers.items()})
        return web.Response(body=merged.encode(), headers=EXPOSITION)

    async def _page(self, request: web.Request) -> web.Response:
        answers = await self._ask(request)
        good = {number: answer for number, answer in answers.items() if answer.status == _GOOD}
        if not answers:
            return web.Response(status=503, text="no worker answers\n")
        if not good:
            # Such as a proxy that none of them knows.
            worst = next(iter(answers.values()))
            return web.Response(status=worst.status, body=worst.body)
        try:
            pages = {number: msgspec.json.decode(answer.body) for number, answer in good.items()}
        except msgspec.DecodeError:
            # A page for people.
            return web.Response(body=next(iter(good.values())).body, content_type="text/html")
        return json_response(request, merge_pages(request.path, pages))

    async def _ask(self, request: web.Request) -> dict[int, _Answer]:
        """The answers of the workers that give one, by number."""
        asked = [worker for worker in self._workers.workers() if worker.admin is not None]
        answers = await asyncio.gather(*(self._answer(worker.admin, request) for worker in asked))
        return {worker.number: answer for worker, answer in zip(asked, answers, strict=True) if answer is not None}

    async def _answer(self, admin: Address, request: web.Request) -> _Answer | None:
        try:
            async with self._session.get(f"http://{admin}{request.path_qs}") as response:
                return _Answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError):
            # It has just died, or is too busy: the others answer.
            return None
