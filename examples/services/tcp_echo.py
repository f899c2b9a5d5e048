"""A TCP service that sends every line back behind a prefix, so that the version which answered can be seen.

python -m examples.services.tcp_echo --host 127.0.0.2 --port 9000 --prefix one
"""

import argparse
import asyncio
from types import TracebackType
from typing import Self

from .backend import Instance
from .program import add_instance_arguments, parse_instance, serve_until_signal


class TcpEcho:
    """Echoes lines as ``PREFIX LINE`` on the address of one instance; an async context manager."""

    def __init__(self, instance: Instance, prefix: str) -> None:
        """Prepare; nothing listens yet."""
        self.instance = instance
        self.connections = 0
        self._prefix = prefix.encode()
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def start(self) -> None:
        """Listen. OSError when the address is taken or not local."""
        instance = self.instance
        if instance.listening is not None:
            self._server = await asyncio.start_server(self._echo, sock=instance.listening)
        else:
            self._server = await asyncio.start_server(self._echo, instance.host, instance.port)

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is None:
            return
        self._server.close()
        callers = dict(self._callers)
        for writer in callers:
            writer.close()
        await asyncio.gather(*(task for task in callers.values() if task), return_exceptions=True)
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._callers[writer] = asyncio.current_task()
        try:
            while line := await reader.readline():
                writer.write(self._prefix + b" " + line)
                await writer.drain()
        except ConnectionError:
            pass  # the caller went away: nothing is left to answer
        finally:
            writer.close()
            del self._callers[writer]


def main() -> None:
    """Run one instance until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A TCP echo service with a prefix.")
    add_instance_arguments(parser, name="tcp-echo", port=9000)
    parser.add_argument("--prefix", default="one", help="put before every line (default one)")
    arguments = parser.parse_args()
    serve_until_signal(TcpEcho(parse_instance(arguments), arguments.prefix))


if __name__ == "__main__":
    main()
