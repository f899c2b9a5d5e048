"""A new client gets what was accepted last of what everybody refuses, until somebody accepts the newest."""

import pytest

from tests.protocol.models import made
from tests.protocol.wire_client import DELTA, SOTW, WireClient, connected, serving
from xds.events import (
    Acked,
    Nacked,
    StreamClosed,
)
from xds.options import ServerOptions
from xds.types import (
    CLUSTER,
)

METHODS = pytest.mark.parametrize("method", [SOTW, DELTA])


@METHODS
async def test_a_new_client_gets_the_last_good_version_of_what_everybody_refuses(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "c-1", "good"), made(CLUSTER, "c-2")])
        first = WireClient(channel, method)
        await first.ask(CLUSTER)
        await first.ack(await first.hear())
        await rig.until(Acked)
        rig.cache.update("all", [made(CLUSTER, "c-1", "bad")])
        answer = await first.hear()
        await first.ask(CLUSTER, nonce=answer.nonce, error="c-1: bad")
        await rig.until(Nacked)
        first.cancel()
        await rig.until(StreamClosed)

        later = WireClient(channel, method)
        await later.ask(CLUSTER)
        answer = await later.hear()
        assert answer.resources == {"c-1": b"c-1=good", "c-2": b"c-2=1"}
        await later.ack(answer)
        rig.cache.update("all", [made(CLUSTER, "c-1", "mended")])
        assert (await later.hear()).resources["c-1"] == b"c-1=mended"


async def test_a_version_that_somebody_accepts_is_given_to_everybody() -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "c-1", "old")])
        tolerant, strict = WireClient(channel), WireClient(channel)
        for client in (tolerant, strict):
            await client.ask(CLUSTER)
            await client.ack(await client.hear())
        await rig.until(Acked, 2)
        rig.cache.update("all", [made(CLUSTER, "c-1", "new")])
        tolerated, refused = await tolerant.hear(), await strict.hear()
        await strict.ask(CLUSTER, nonce=refused.nonce, error="c-1: not for me")
        await rig.until(Nacked)
        later = WireClient(channel)
        await later.ask(CLUSTER)
        answer = await later.hear()
        assert answer.resources == {"c-1": b"c-1=old"}, "so far everybody who tried the new one refused it"
        await later.ack(answer)
        await tolerant.ack(tolerated)
        assert (await later.hear()).resources == {"c-1": b"c-1=new"}


async def test_last_good_versions_can_be_switched_off() -> None:
    async with serving(options=ServerOptions(keep_last_good=False)) as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "c-1", "good")])
        first = WireClient(channel)
        await first.ask(CLUSTER)
        await first.ack(await first.hear())
        await rig.until(Acked)
        rig.cache.update("all", [made(CLUSTER, "c-1", "bad")])
        await first.ask(CLUSTER, nonce=(await first.hear()).nonce, error="c-1: bad")
        await rig.until(Nacked)
        later = WireClient(channel)
        await later.ask(CLUSTER)
        assert (await later.hear()).resources == {"c-1": b"c-1=bad"}
