"""Waiting for an event with a deadline, and saying what was seen last when it does not come."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aiohttp

T = TypeVar("T")

DEADLINE: Final = 15.0
INTERVAL: Final = 0.015


class NotYetError(AssertionError):
    """Raised by a probe: what is awaited has not happened; the text says what was seen instead."""


class DeadlineExceededError(AssertionError):
    """What was awaited did not happen in time."""


async def wait_until(
    probe: Callable[[], Awaitable[T]],
    *,
    deadline: float = DEADLINE,
    interval: float = INTERVAL,
    context: Callable[[], str] | None = None,
) -> T:
    """Call the probe until it returns, and return its result.

    A probe says "not yet" by raising: an AssertionError, or a failed connection (a listener may still be on
    its way). Raises DeadlineExceededError with the last such reason and with ``context()``.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    reason: Exception = NotYetError("nothing: the probe did not return")
    try:
        while True:
            try:
                async with asyncio.timeout_at(end):
                    return await probe()
            except TimeoutError:
                pass  # the deadline, or a slow answer: what was seen before says more
            except (AssertionError, aiohttp.ClientError, OSError) as error:
                reason = error
            if loop.time() >= end:
                seen = str(reason) or type(reason).__name__
                more = f"\n{context()}" if context else ""
                raise DeadlineExceededError(f"not within {deadline:g} s; last seen: {seen}{more}") from reason
            await asyncio.sleep(interval)
    finally:
        # Its traceback refers to this call: a cycle.
        del reason
