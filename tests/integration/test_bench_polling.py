"""Simulated proxies that poll a server over HTTP: they ask for what they want, and see what changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from fairlead.bench.marker import marker
from fairlead.bench.messages import Configured, Connect, Endpoint, Expect, Failed, Prepare, Report, Seen
from fairlead.bench.polling import PollingCrowd

OVER_REST = {"api_config_source": {"api_type": "REST", "cluster_names": ["xds"]}}
HOST = "web.shop.svc.cluster.local"
NAME = f"outbound|8000||{HOST}"
DEADLINE = 20.0


class RestServer:
    """Serves resources by type and name; counts what is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.broken = False
        self.refused = asyncio.Event()
        rds = {"rds": {"route_config_name": "8000", "config_source": OVER_REST}}
        cluster = {"name": NAME, "type": "EDS", "eds_cluster_config": {"eds_config": OVER_REST}}
        self.resources: dict[str, dict[str, Any]] = {
            "clusters": {NAME: cluster},
            "endpoints": {NAME: {"cluster_name": NAME, "address": marker(0)}},
            "listeners": {"l": {"name": "l", "filters": [rds]}},
            "routes": {"8000": {"name": "8000", "routes": [{"cluster": NAME}]}},
        }

    async def answer(self, request: web.Request) -> web.Response:
        question = await request.json()
        kind, names = request.match_info["kind"], tuple(question.get("resource_names", ()))
        self.asked.append((kind, names))
        if self.broken:
            self.refused.set()
            raise web.HTTPServiceUnavailable
        found = [body for name, body in self.resources[kind].items() if not names or name in names]
        version = str(hash(json.dumps(found)))
        if question.get("version_info") == version:
            return web.Response(status=304)
        return web.json_response({"version_info": version, "resources": found})


class Reports:
    """What a crowd tells, and the wait for it."""

    def __init__(self) -> None:
        self._told: list[Report] = []
        self._news = asyncio.Event()

    def tell(self, report: Report) -> None:
        self._told.append(report)
        self._news.set()

    async def wait(self, kind: type[Report]) -> Any:  # noqa: ANN401 - the report of that kind
        return await self.until(lambda: next((each for each in self._told if isinstance(each, kind)), None))

    async def until(self, probe: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the probe finds
        async with asyncio.timeout(DEADLINE):
            while not (found := probe()):
                self._news.clear()
                await self._news.wait()
        return found


@asynccontextmanager
async def crowd_of(proxies: int, server: RestServer, reports: Reports) -> AsyncIterator[PollingCrowd]:
    app = web.Application()
    app.router.add_post("/v3/discovery:{kind}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    endpoint = Endpoint(host="127.0.0.1", port=port, delta=False, poll=0.02)
    crowd = PollingCrowd(Prepare(endpoint, [b'{"id": "a", "cluster": "b"}'] * proxies, 0), reports.tell)
    try:
        await crowd.connect(Connect(0.0))
        yield crowd
    finally:
        await crowd.disconnect()
        await runner.cleanup()


async def test_they_ask_in_envoys_order_until_they_have_all() -> None:
    server, reports = RestServer(), Reports()
    async with crowd_of(3, server, reports) as crowd:
        await reports.wait(Configured)
        order = list(dict.fromkeys(server.asked))
        assert order == [("clusters", ()), ("endpoints", (NAME,)), ("listeners", ()), ("routes", ("8000",))]
        polls = crowd.totals(mark=False).polls
        assert polls is not None
        assert (polls.subscriptions, polls.failed) == (3 * 4, 0)


async def test_all_see_a_change() -> None:
    server, reports = RestServer(), Reports()
    async with crowd_of(3, server, reports) as crowd:
        await reports.wait(Configured)
        crowd.expect(Expect(1, HOST, HOST, routed=False))
        server.resources["endpoints"] = {NAME: {"cluster_name": NAME, "address": marker(1)}}
        seen = await reports.wait(Seen)
        assert (seen.number, len(seen.times)) == (1, 3 * 8)


async def test_a_server_that_fails_for_a_while_is_asked_again() -> None:
    server, reports = RestServer(), Reports()
    async with crowd_of(1, server, reports) as crowd:
        await reports.wait(Configured)
        server.broken = True
        await asyncio.wait_for(server.refused.wait(), DEADLINE)
        crowd.expect(Expect(1, HOST, HOST, routed=False))
        server.resources["endpoints"] = {NAME: {"cluster_name": NAME, "address": marker(1)}}
        server.broken = False
        await reports.wait(Seen)
        polls = crowd.totals(mark=False).polls
        assert polls is not None
        assert polls.failed


async def test_nobody_there_is_told() -> None:
    reports = Reports()
    endpoint = Endpoint(host="127.0.0.1", port=1, delta=False, poll=0.02)
    crowd = PollingCrowd(Prepare(endpoint, [b"{}"], 0), reports.tell)
    await crowd.connect(Connect(0.0))
    try:
        assert "127.0.0.1:1 cannot be asked" in (await reports.wait(Failed)).reason
    finally:
        await crowd.disconnect()
