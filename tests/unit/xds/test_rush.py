"""Things are kept as long as clients come, and no longer."""

import asyncio

from xds.keepsakes import Keepsakes
from xds.rush import Rush

DEADLINE = 10


async def until_closed(kept: Keepsakes[str, list[int]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while kept.is_open or not kept.is_empty:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)


async def test_it_is_open_from_a_client_on_until_nobody_has_come_for_a_while() -> None:
    kept: Keepsakes[str, list[int]] = Keepsakes(100)
    rush = Rush(period=0.01)
    rush.add(kept)
    kept.keep("a", [1], 1)
    assert kept.is_empty
    for _ in range(2):
        rush.note()
        assert kept.is_open
        kept.keep("a", [1], 1)
        assert kept.find("a")
        await until_closed(kept)
