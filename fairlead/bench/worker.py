"""A process of simulated proxies: ``python -m fairlead.bench.worker SOCKET``. It ends when the bench does."""

import asyncio
import gc
import sys
import traceback
from typing import Any

import uvloop

from fairlead.bench.crowd import Crowd
from fairlead.bench.messages import Command, Connect, Count, Disconnect, Expect, Failed, Pipe, Prepare, Prepared
from fairlead.bench.polling import PollingCrowd


async def work(path: str) -> None:
    """Do what the bench says, until it hangs up."""
    pipe = Pipe(*await asyncio.open_unix_connection(path), Command)
    crowd: Crowd | PollingCrowd | None = None
    asyncio.get_running_loop().set_exception_handler(lambda _, context: pipe.send(_describe(context)))
    try:
        while (command := await pipe.receive()) is not None:
            match command:
                case Prepare():
                    crowd = (PollingCrowd if command.endpoint.poll else Crowd)(command, pipe.send)
                    pipe.send(Prepared())
                case Connect() if crowd:
                    await crowd.connect(command)
                case Disconnect() if crowd:
                    await crowd.disconnect()
                case Expect() if crowd:
                    crowd.expect(command)
                case Count(mark) if crowd:
                    pipe.send(crowd.totals(mark=mark))
    finally:
        if crowd is not None:
            await crowd.disconnect()
        await pipe.close()


def _describe(context: dict[str, Any]) -> Failed:
    error = context.get("exception")
    if isinstance(error, Exception):
        traceback.print_exception(error)
    return Failed(f"the simulated proxies failed: {context['message']} {error!r}", "this is a bug of the bench")


def main() -> None:
    """Run until the bench hangs up."""
    # Young objects die with the response that they belong to; what lives long is shared by all proxies.
    gc.set_threshold(100_000, 50, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(sys.argv[1]))


if __name__ == "__main__":
    main()
