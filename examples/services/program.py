"""What the sample services share as programs: the arguments of an instance, and running until a signal."""

import argparse
import asyncio
import signal
from contextlib import AbstractAsyncContextManager

from .backend import Instance


def add_instance_arguments(parser: argparse.ArgumentParser, name: str, port: int) -> None:
    """Add --host, --port, --name and --version, with these defaults for name and port."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=port, help=f"port to listen on (default {port})")
    parser.add_argument("--name", default=name, help=f"name of the service (default {name})")
    parser.add_argument("--version", default="v1", help="version of the service (default v1)")


def parse_instance(arguments: argparse.Namespace) -> Instance:
    """The instance that the arguments describe."""
    return Instance(arguments.name, arguments.version, arguments.host, arguments.port)


def serve_until_signal(server: AbstractAsyncContextManager[object]) -> None:
    """Run a server until SIGINT or SIGTERM, then stop it in an orderly way."""
    asyncio.run(_serve_until_signal(server))


async def _serve_until_signal(server: AbstractAsyncContextManager[object]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        await stopped.wait()
