"""Simulated proxies that ask over REST again and again, as Envoy does where that is its source of configuration.

Envoy has a subscription for all clusters, one for all listeners, and one for each cluster's endpoints and for each
route table; each asks again after the answer, by itself.
"""

import asyncio
from array import array
from collections import deque
from collections.abc import Callable, Coroutine
from random import random
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec

from fairlead.bench.content import Stamp
from fairlead.bench.envoy import SimulatedEnvoy
from fairlead.bench.json_content import JsonReader
from fairlead.bench.messages import Connect, Expect, Failed, Polls, Prepare, Report, Totals
from fairlead.bench.tally import Member, Tally
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl

# Envoy: the paths of the services for REST.
PATHS: Final = {
    CLUSTER: "/v3/discovery:clusters",
    ENDPOINT: "/v3/discovery:endpoints",
    LISTENER: "/v3/discovery:listeners",
    ROUTE: "/v3/discovery:routes",
    SECRET: "/v3/discovery:secrets",
}
_NAMED: Final = frozenset({ENDPOINT, ROUTE, SECRET})
_EVERYTHING: Final = frozenset({""})
_OK: Final = 200
_NOT_MODIFIED: Final = 304
# Questions of one proxy that are under way at a time. Envoy opens connections up to its circuit breakers; a server
# that answers one after the other is not faster for it.
_AT_ONCE: Final = 8
_REMEMBERED: Final = 20_000


class PollingMember(Member):
    """One that asks: its Node in JSON, its subscriptions, and its turns to ask."""

    __slots__ = ("node", "subscriptions", "turn")

    def __init__(self, node: bytes) -> None:
        super().__init__(SimulatedEnvoy(b"", delta=False))
        self.node = msgspec.Raw(node)
        self.subscriptions: dict[TypeUrl, dict[str, asyncio.Task[None]]] = {}
        self.turn = asyncio.Semaphore(_AT_ONCE)


class PollingCrowd:
    """All proxies of this process. Reports go to the ``tell`` that it is given."""

    def __init__(self, prepare: Prepare, tell: Callable[[Report], None]) -> None:
        self._endpoint = prepare.endpoint
        self._tell = tell
        self._members = [PollingMember(node) for node in prepare.nodes]
        self._tally = Tally(self._members, tell)
        self._reader = JsonReader()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None
        self._answered = self._unchanged = self._failed = 0
        self._milliseconds: deque[float] = deque(maxlen=_REMEMBERED)

    async def connect(self, command: Connect) -> None:
        """Let all of them begin to ask, evenly over some seconds."""
        limit = _AT_ONCE * len(self._members)
        self._client = aiohttp.ClientSession(
            f"http://{self._endpoint}", connector=aiohttp.TCPConnector(limit=limit), headers={"user-agent": "envoy"}
        )
        self._tally.start()
        for place, member in enumerate(self._members):
            self._spawn(self._begin(place, command.seconds * place / len(self._members), member))

    async def disconnect(self) -> None:
        """Ask no more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        self._tally.reset()
        for member in self._members:
            member.subscriptions.clear()

    def expect(self, change: Expect) -> None:
        """A change is going to be made."""
        self._tally.expect(change)

    def totals(self, *, mark: bool) -> Totals:
        """What was received until now; with ``mark``, whom something reaches is counted anew."""
        polls = Polls(
            subscriptions=len(self._tasks),
            answered=self._answered,
            unchanged=self._unchanged,
            failed=self._failed,
            milliseconds=array("d", self._milliseconds).tobytes(),
        )
        if mark:
            self._milliseconds.clear()
        return self._tally.totals(mark=mark, polls=polls)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tell(Failed(f"{self._endpoint} cannot be asked: {error}", "look at its log"))

    async def _begin(self, place: int, delay: float, member: PollingMember) -> None:
        await asyncio.sleep(delay)
        member.started = monotonic()
        for _ in member.envoy.connect():
            self._subscribe(place, member)

    def _subscribe(self, place: int, member: PollingMember) -> None:
        """Begin to ask for what the proxy wants since now, and no more for what it wants no longer."""
        for type_url, lane in member.envoy.lanes.items():
            if not lane.is_open:
                continue
            wanted = lane.wanted if type_url in _NAMED else _EVERYTHING
            subscriptions = member.subscriptions.setdefault(type_url, {})
            for name in subscriptions.keys() - wanted:
                subscriptions.pop(name).cancel()
            for name in wanted - subscriptions.keys():
                subscriptions[name] = self._spawn(self._follow(place, type_url, name))

    async def _follow(self, place: int, type_url: TypeUrl, name: str) -> None:
        """One subscription: ask, and ask again."""
        member, version = self._members[place], ""
        while True:
            async with member.turn:
                try:
                    version = await self._ask(place, type_url, name, version)
                except (aiohttp.ClientError, TimeoutError):
                    if not self._answered:
                        raise
                    # Envoy: a question that fails is asked again in its time.
                    self._failed += 1
            # Envoy: the interval, and up to as much again at random.
            await asyncio.sleep(self._endpoint.poll * (1 + random()))  # noqa: S311 - no secret

    async def _ask(self, place: int, type_url: TypeUrl, name: str, version: str) -> str:
        member, client = self._members[place], self._client
        assert client is not None  # noqa: S101 - those who ask are connected
        question: dict[str, Any] = {"node": member.node, "type_url": type_url}
        question |= {"version_info": version} if version else {}
        question |= {"resource_names": [name]} if name else {}
        asked = monotonic()
        async with client.post(
            PATHS[type_url], data=msgspec.json.encode(question), headers={"content-type": "application/json"}
        ) as answer:
            body = await answer.read()
        now = monotonic()
        self._answered += 1
        self._milliseconds.append((now - asked) * 1e3)
        if answer.status == _NOT_MODIFIED:
            self._unchanged += 1
        elif answer.status != _OK:
            self._failed += 1
        else:
            version = self._take(place, type_url, body, now)
        return version

    def _take(self, place: int, type_url: TypeUrl, body: bytes, now: float) -> str:
        member = self._members[place]
        self._tally.receive(member, type_url, len(body), now)
        version, content = self._reader.read(type_url, body)
        stamp = Stamp(type_url, version, "", ())
        member.envoy.acknowledge(stamp)
        if self._tally.digest(place, stamp, content, now):
            self._subscribe(place, member)
        return version
