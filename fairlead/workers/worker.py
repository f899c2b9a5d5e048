"""A worker: a whole control plane that shares the port of others. ``python -m fairlead.workers.worker``.

Its settings come pickled on standard input, which stays open for as long as whoever started it lives.
"""

import asyncio
import os
import pickle
import sys
from typing import BinaryIO

import msgspec
import structlog

from fairlead.app import ControlPlane, ListenError, run_plane
from fairlead.logs import configure_logging, stderr
from fairlead.settings import ServeSettings
from fairlead.workers.report import Report


def main() -> int:
    """Serve until told to stop; returns the exit code."""
    settings = _read_settings(sys.stdin.buffer)
    configure_logging(stderr())
    structlog.contextvars.bind_contextvars(worker=settings.worker)
    try:
        run_plane(settings, _attend)
    except ListenError as error:
        structlog.get_logger("fairlead.serve").error("serve.failed", reason=str(error))
        return 1
    return 0


async def _attend(plane: ControlPlane) -> None:
    """Tell how far the start is, and stop when nobody is there any more to be told."""
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), _stop_at_the_end, plane)
    await plane.listening.wait()
    _tell(Report(admin_port=plane.admin_address.port))
    await plane.ready.wait()
    _tell(Report(admin_port=plane.admin_address.port, ready=True))


def _stop_at_the_end(plane: ControlPlane) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        plane.stop()


def _tell(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def _read_settings(stream: BinaryIO) -> ServeSettings:
    """Settings that this very program has written, in another process."""
    size = int(stream.readline())
    settings = pickle.loads(stream.read(size))  # noqa: S301 - written by the parent process, see above
    assert isinstance(settings, ServeSettings)  # noqa: S101 - a fault of ours
    return settings


if __name__ == "__main__":
    sys.exit(main())
