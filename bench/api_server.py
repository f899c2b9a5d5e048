"""The test API server as a process of its own, so that it does not take turns with what is measured.

Standard input holds one JSON document per line; each is written, and the time of that (``time.perf_counter``, which
all processes of a machine share) is printed. The first line that is printed is the port. A document with the field
``churn`` is a pod that is written so many times, ``rate`` times a second, with another time of its start.
"""

import asyncio
import json
import sys
import threading
import time
from typing import Any

import uvloop

from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, b"")

    async with ApiServer() as server:
        server.put(*mesh_definitions())
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
        print(server.port, flush=True)
        threading.Thread(target=read, daemon=True).start()
        while line := await lines.get():
            document = json.loads(line)
            if "churn" in document:
                await churn(server, document["churn"], document["times"], document["rate"])
                print(time.perf_counter(), flush=True)
                continue
            written = time.perf_counter()
            server.put(document)
            print(written, flush=True)


async def churn(server: ApiServer, pod: dict[str, Any], times: int, rate: float) -> None:
    """Change a pod in a way that means nothing to a mesh."""
    started = time.perf_counter()
    for turn in range(times):
        server.put({**pod, "status": {**pod["status"], "startTime": f"turn {turn}"}})
        await asyncio.sleep(max(0.0, started + (turn + 1) / rate - time.perf_counter()))


if __name__ == "__main__":
    uvloop.run(main())
