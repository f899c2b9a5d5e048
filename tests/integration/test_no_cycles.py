"""Nothing that goes on while pushes follow one another leaves cycles behind, for nobody looks for them then.

See ``fairlead.memory.CollectorPause``.
"""

import asyncio
import gc
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from fairlead.mesh.waiting import NotYetError, wait_until
from tests.integration.clusters import (
    cluster,
    endpoints,
    following,
    service,
    until_finding,
    until_no_findings,
    virtual_service,
)
from tests.integration.proxy_stream import changed, proxy_stream
from tests.integration.serving import identity, serving

AT_ONCE, ROUNDS = 5, 3
# gRPC: for every call the handler that was looked up for it, and the closure that did. The collector's pause is told.
LOOKED_UP = "grpc._cython.cygrpc._HandlerCallDetails"
LOOKUP_PARTS = 5


def in_earnest(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the loop that serves in earnest: each connection of asyncio's own is a cycle."""

    @wraps(test)
    def run(**arguments: Any) -> None:  # noqa: ANN401 - fixtures
        uvloop.run(test(**arguments))

    return run


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """What only the collector finds after the block, by type."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def left_behind(act: Callable[[int], Awaitable[object]]) -> Counter[str]:
    """What doing something several times leaves to the collector every time; at first it may be what is made once."""
    numbers = itertools.count()
    for _ in range(ROUNDS):
        with garbage() as found:
            for number in islice(numbers, AT_ONCE):
                await act(number)
            await asyncio.sleep(0)
        if not found:
            break
    return found


def nth_rule(number: int) -> str:
    return virtual_service(prefix=f"/{number}")


def nth_endpoints(number: int) -> str:
    return endpoints(f"127.1.0.{number + 2}")


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@in_earnest
async def test_pushes_and_answers(tmp_path: Path, *, delta: bool) -> None:
    async with serving(tmp_path) as rig, proxy_stream(rig, delta=delta) as stream:
        await changed(rig, lambda: rig.write("service.yaml", service()), "Service shop/cart")
        await changed(rig, lambda: rig.write("rule.yaml", nth_rule(1000)), "VirtualService shop/cart")
        await stream.start()

        async def push(number: int) -> None:
            text = nth_endpoints(number)
            await stream.reaction(lambda: rig.write("endpoints.yaml", text), "EndpointSlice shop/cart-1")

        async def reroute(number: int) -> None:
            text = nth_rule(number)
            await stream.reaction(lambda: rig.write("rule.yaml", text), "VirtualService shop/cart")

        async def refuse(number: int) -> None:
            stream.refusal = lambda _: "not this"
            text = nth_rule(200 + number)
            await changed(rig, lambda: rig.write("rule.yaml", text), "VirtualService shop/cart")
            await until_nacks(number + 1)
            stream.refusal = lambda _: ""
            await reroute(100 + number)

        async def until_nacks(count: int) -> None:
            async def probe() -> None:
                if sum(status.nacks for status in stream.client.status()) < count:
                    raise NotYetError("no answer")

            await wait_until(probe)

        assert not await left_behind(push)
        assert not await left_behind(reroute)
        assert not await left_behind(refuse)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@in_earnest
async def test_proxies_that_come_and_go(tmp_path: Path, *, delta: bool) -> None:
    async with serving(tmp_path) as rig:
        await changed(rig, lambda: rig.write("service.yaml", service()), "Service shop/cart")

        async def visit(number: int) -> None:
            async with proxy_stream(rig, identity(f"proxy-{number}"), delta=delta) as stream:
                await stream.start()
            await wait_until(left)
            await rig.plane.pusher.idle()

        async def left() -> None:
            if len(rig.plane.proxies):
                raise NotYetError("it is still there")

        found = await left_behind(visit)
        assert found.total() == AT_ONCE * LOOKUP_PARTS, found
        assert found[LOOKED_UP] == AT_ONCE


@in_earnest
async def test_files_that_are_broken_and_mended(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:

        async def mistake(number: int) -> None:
            rig.write("broken.yaml", f"kind: [{number}")
            await until_finding(rig, "broken.yaml")
            rig.write("broken.yaml", service(f"cart-{number}"))
            await until_no_findings(rig)

        assert not await left_behind(mistake)


@in_earnest
async def test_pages_and_requests_for_what_is_no_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig, proxy_stream(rig) as stream:
        await stream.start()

        async def visit(_: int) -> None:
            pages = [
                "/",
                "/metrics",
                "/ready",
                "/healthz",
                "/nothing",
                "/debug/pushes",
                "/debug/proxies",
                "/debug/loop",
            ]
            async with aiohttp.ClientSession(f"http://{rig.plane.admin_address}") as session:
                for path in pages:
                    for method in ("GET", "POST"):
                        async with session.request(method, path) as response:
                            assert response.status in {200, 404, 405}, await response.text()

        assert not await left_behind(visit)


@in_earnest
async def test_a_cluster_that_changes(tmp_path: Path) -> None:
    async with cluster(service(), endpoints("127.1.0.1")) as server, following(server, tmp_path) as rig:

        async def change(number: int) -> None:
            text = nth_endpoints(number)
            await changed(rig, lambda: server.put_yaml(text), "EndpointSlice shop/cart-1")

        assert not await left_behind(change)
