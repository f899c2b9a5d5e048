"""What a test may leave behind: nothing. Finds the tasks, threads and processes that outlive a test.

Things that are just ending get ``GRACE`` seconds to do so; waiting stops at the moment they have.
"""

import asyncio
import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

GRACE = 5.0
_PR_SET_CHILD_SUBREAPER = 36
# Python's own helper of multiprocessing, started at first use and kept until the interpreter ends.
_KEPT_BY_PYTHON = "multiprocessing.resource_tracker"


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants (Linux), so that none escapes ``child_processes``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def child_processes() -> frozenset[int]:
    """Ids of the processes that this one started or adopted, ended but unread ones included."""
    try:
        # The kernel's own list, per thread that forked: psutil would read the whole process table for every test.
        lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    except OSError:
        lists = []
    if lists:
        return frozenset(int(pid) for text in lists for pid in text.split())
    return frozenset(child.pid for child in psutil.Process().children())


def end_processes(pids: frozenset[int]) -> list[str]:
    """Kill those of ``pids`` that do not end by themselves; returns their command lines."""
    _, alive = psutil.wait_procs(_still_known(pids), timeout=GRACE)
    described = []
    for process in alive:
        command = " ".join(process.cmdline())
        if _KEPT_BY_PYTHON not in command:
            described.append(f"process {process.pid}: {command}")
            process.kill()
            process.wait(GRACE)
    return described


def _still_known(pids: frozenset[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


def surviving_threads(before: frozenset[threading.Thread]) -> list[str]:
    """Names of the threads that were started since ``before`` was taken and do not end."""
    deadline = time.monotonic() + GRACE
    started = frozenset(threading.enumerate()) - before
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [f"thread {thread.name}" for thread in started if thread.is_alive()]


async def surviving_tasks() -> list[str]:
    """Descriptions of the tasks on this loop that do not end; they are cancelled."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if not tasks:
        return []
    _, pending = await asyncio.wait(tasks, timeout=GRACE)
    for task in pending:
        task.cancel()
    return [f"task {task.get_name()}: {task.get_coro()}" for task in pending]
