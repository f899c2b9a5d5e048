"""What the bench and the processes of its simulated proxies tell each other: records in MessagePack, with lengths."""

import asyncio
from typing import Any, Final

import msgspec

_LENGTH: Final = 4


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the control plane is, and how it is spoken to. Without ``ca`` it is plaintext.

    ``poll``: it has no streams; proxies ask over REST, each so many seconds after it was answered. 0: it has.
    """

    host: str
    port: int
    delta: bool = True
    poll: float = 0.0
    ca: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """The proxies of a process, by their encoded Nodes, and over how many connections they come."""

    endpoint: Endpoint
    nodes: list[bytes]
    connections: int


class Connect(msgspec.Struct, frozen=True, tag="connect"):
    """Connect all proxies, spread over so many seconds."""

    seconds: float


class Disconnect(msgspec.Struct, frozen=True, tag="disconnect"):
    """Break all connections."""


class Expect(msgspec.Struct, frozen=True, tag="expect"):
    """A change is going to be made; ``sibling`` is the host that concerned proxies know."""

    number: int
    host: str
    sibling: str
    routed: bool


class Count(msgspec.Struct, frozen=True, tag="count"):
    """Ask for Totals; with ``mark``, those of the next time say whom something has reached since."""

    mark: bool = False


Command = Prepare | Connect | Disconnect | Expect | Count


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """The process is ready to connect."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How many proxies have all that they asked for."""

    configured: int


class Configured(msgspec.Struct, frozen=True, tag="configured"):
    """All proxies are configured: seconds that each needed, from its first attempt to its first response and to all."""

    started: float
    first: bytes
    complete: bytes


class Expecting(msgspec.Struct, frozen=True, tag="expecting"):
    """How many proxies a change concerns."""

    number: int
    proxies: int


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """Every concerned proxy has acknowledged a change: the times, in seconds of the system's monotonic clock."""

    number: int
    times: bytes


class Polls(msgspec.Struct, frozen=True):
    """What became of the questions of proxies that ask over REST.

    ``subscriptions`` are asked about again and again; ``milliseconds`` are those of the newest answers, as doubles.
    """

    subscriptions: int
    answered: int
    unchanged: int
    failed: int
    milliseconds: bytes


class Totals(msgspec.Struct, frozen=True, tag="totals"):
    """What all proxies of a process received until now; ``touched`` is how many received something since the mark."""

    responses: int
    bytes: int
    touched: int
    reconnections: int
    by_type: dict[str, int] = {}
    polls: Polls | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The process cannot go on; ``hint`` says what to do."""

    reason: str
    hint: str = ""


Report = Prepared | Progress | Configured | Expecting | Seen | Totals | Failed


class Pipe:
    """One end of a connection between the bench and a process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, incoming: Any) -> None:  # noqa: ANN401 - a union of records
        self._reader = reader
        self._writer = writer
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(incoming)

    def send(self, record: Command | Report) -> None:
        """Write a record; it is on its way when the loop runs next."""
        body = self._encoder.encode(record)
        self._writer.write(len(body).to_bytes(_LENGTH) + body)

    async def receive(self) -> Any:  # noqa: ANN401 - one of the incoming records
        """The next record; None when the other side is gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH))
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def close(self) -> None:
        """Close this end."""
        self._writer.close()
