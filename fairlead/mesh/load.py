"""Load on a mesh: a constant rate whatever comes back, or a number of requests as fast as answers come."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from fairlead.mesh.traffic import Answer, Traffic
from fairlead.mesh.waiting import DEADLINE, DeadlineExceededError

T = TypeVar("T")
Send = Callable[[], Awaitable[Answer]]


class LoadGenerator:
    """Sends at a constant rate from the start of the block to its end (an open loop).

    A slow answer does not delay the next request, so the failures and delays that users would see are not
    left out. Requests under way at the end are awaited.
    """

    def __init__(self, send: Send, rate: float) -> None:
        """Prepare: ``rate`` calls of ``send`` per second."""
        self.traffic = Traffic()
        self._send = send
        self._interval = 1 / rate
        self._arrived = asyncio.Condition()
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduler: asyncio.Task[None]

    async def wait_for(self, check: Callable[[Answer], bool], deadline: float = DEADLINE) -> Answer:
        """Wait for an answer, sent from now on, that passes a check. Raises DeadlineExceededError."""
        now = asyncio.get_running_loop().time()
        found = await self._wait(lambda: next(filter(check, self.traffic.sent_since(now)), None), deadline)
        if found is None:
            fresh = self.traffic.sent_since(now)
            raise DeadlineExceededError(
                f"no such answer within {deadline:g} s among {len(fresh)}: {fresh.by_instance()}, {fresh.by_status()}"
            )
        return found

    async def wait_instance(self, address: str, deadline: float = DEADLINE) -> Answer:
        """Wait for an answer, to a request sent from now on, of one backend (``ip:port``)."""
        return await self.wait_for(lambda answer: answer.instance == address, deadline)

    async def wait_count(self, count: int, deadline: float = DEADLINE) -> Traffic:
        """Wait for a number of answers to requests that are sent from now on. Raises DeadlineExceededError."""
        now = asyncio.get_running_loop().time()

        def enough() -> Traffic | None:
            fresh = self.traffic.sent_since(now)
            return fresh if len(fresh) >= count else None

        found = await self._wait(enough, deadline)
        if found is None:
            raise DeadlineExceededError(f"{len(self.traffic.sent_since(now))} of {count} answers within {deadline:g} s")
        return found

    async def __aenter__(self) -> Self:
        """Start sending."""
        self._scheduler = asyncio.create_task(self._schedule())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sending and wait for the answers that are due."""
        self._scheduler.cancel()
        await asyncio.gather(self._scheduler, *self._under_way, return_exceptions=True)

    async def _schedule(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            task = asyncio.create_task(self._send_one())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            due += self._interval
            await asyncio.sleep(due - clock())

    async def _send_one(self) -> None:
        answer = await self._send()
        async with self._arrived:
            self.traffic.answers.append(answer)
            self._arrived.notify_all()

    async def _wait(self, find: Callable[[], T | None], deadline: float) -> T | None:
        try:
            async with asyncio.timeout(deadline), self._arrived:
                while (found := find()) is None:
                    await self._arrived.wait()
                return found
        except TimeoutError:
            return None


async def send_many(send: Send, count: int, concurrency: int = 8) -> Traffic:
    """Send a number of requests, so many at a time (a closed loop); the answers in order of arrival."""
    traffic = Traffic()
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            traffic.answers.append(await send())

    async with asyncio.TaskGroup() as callers:
        for _ in range(min(count, concurrency)):
            callers.create_task(caller())
    return traffic
