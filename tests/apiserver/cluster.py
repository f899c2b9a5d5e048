"""A cluster as the conformance tests see it: an address, a way in, and plain HTTP in JSON.

The stand-in of ``tests.apiserver.server`` is one, a real API server is another.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from tests.apiserver.document import Document

Query = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: Any
    headers: Mapping[str, str]

    def ok(self) -> Any:  # noqa: ANN401 - JSON
        """The body of an answer that is no refusal."""
        assert self.status < 300, f"{self.status}: {self.body}"
        return self.body

    def refused(self, code: int, reason: str | None) -> str:
        """The message of a refusal for this reason."""
        assert (self.status, self.body.get("reason")) == (code, reason), self.body
        assert self.body["kind"] == "Status"
        return str(self.body["message"])


@dataclass(slots=True)
class EventStream:
    """The events of a watch."""

    response: aiohttp.ClientResponse
    deadline: float = 10.0
    seen: list[Document] = field(default_factory=list)

    async def next(self) -> Document:
        """The next event. TimeoutError when none comes, StopAsyncIteration when the watch ends."""
        line = await asyncio.wait_for(self.response.content.readline(), self.deadline)
        if not line:
            raise StopAsyncIteration
        event: Document = json.loads(line)
        self.seen.append(event)
        return event

    async def take(self, count: int) -> list[tuple[str, str]]:
        """The types and names of the next events, bookmarks left out."""
        taken: list[tuple[str, str]] = []
        while len(taken) < count:
            event = await self.next()
            if event["type"] != "BOOKMARK":
                taken.append((event["type"], event["object"]["metadata"]["name"]))
        return taken


class Cluster:
    """Requests to one API server; an async context manager."""

    def __init__(self, url: str, *, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.url = url
        # How its history is compacted.
        self.compact: Callable[[], Awaitable[None]] | None = None
        # Whether controllers run, so that for instance namespaces are emptied.
        self.is_whole = True
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True)
        self._session = aiohttp.ClientSession(url, headers=headers, connector=connector)

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, and read the whole answer."""
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, params=query, headers=sent) as response:
            text = await response.text()
            is_json = response.content_type.startswith("application/json")
            return Answer(response.status, json.loads(text) if is_json else text, response.headers)

    async def get(self, path: str, *, accept: str = "application/json", **query: str | int) -> Answer:
        """Read."""
        return await self.request("GET", path, query=query, headers={"Accept": accept})

    async def create(self, path: str, body: Document, **query: str | int) -> Document:
        """Create an object; returns it as it was stored."""
        created: Document = (await self.request("POST", path, body, query=query)).ok()
        return created

    async def update(self, path: str, body: Document) -> Answer:
        """Replace an object."""
        return await self.request("PUT", path, body)

    async def patch(self, path: str, patch: object, kind: str = "merge-patch+json", **query: str | int) -> Answer:
        """Patch an object."""
        return await self.request("PATCH", path, patch, query=query, headers={"Content-Type": f"application/{kind}"})

    async def delete(self, path: str, options: Document | None = None, **query: str | int) -> Answer:
        """Delete an object."""
        return await self.request("DELETE", path, options, query=query)

    @asynccontextmanager
    async def watch(self, path: str, **query: str | int) -> AsyncIterator[EventStream]:
        """Watch. AssertionError when the watch is refused."""
        params = {"watch": "true", **query}
        async with self._session.get(path, params=params, timeout=aiohttp.ClientTimeout(total=None)) as response:
            assert response.status == 200, await response.text()
            yield EventStream(response)

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close its connections."""
        await self._session.close()
