"""What the admin interfaces of a control plane and of a supervisor have in common."""

from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiohttp import web

from fairlead.address import Address

# Of the text format of Prometheus.
EXPOSITION: Final = {"Content-Type": "text/plain; version=0.0.4"}

_READING: Final = ("GET", "HEAD")


class Listener:
    """An async context manager that serves an application while its block runs."""

    def __init__(self, address: Address, application: web.Application) -> None:
        application.router.add_get("/healthz", _healthz)
        application.router.add_get("/version", _version)
        # aiohttp's own answers to the rest leave cycles behind, and while pushes go out nothing looks for these.
        application.router.add_route("*", "/{path:.*}", _missing)
        self._address = address
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
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


def json_response(request: web.Request, content: Any) -> web.Response:  # noqa: ANN401 - anything JSON can hold
    """Answer with JSON, indented with the parameter ``pretty``."""
    body = msgspec.json.encode(content, enc_hook=str)
    if "pretty" in request.query:
        body = msgspec.json.format(body, indent=2)
    return web.Response(body=body + b"\n", content_type="application/json")


async def _missing(request: web.Request) -> web.Response:
    if request.method not in _READING:
        return web.Response(status=405, text="pages are only read: use GET\n", headers={"Allow": ", ".join(_READING)})
    return web.Response(status=404, text=f"there is no page {request.path}; / lists what there is\n")


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _version(request: web.Request) -> web.Response:
    return json_response(request, {"version": version("fairlead")})
