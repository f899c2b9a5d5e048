"""The leak checks notice what outlives a test, and let pass what is just ending."""

import asyncio
import subprocess
import sys
import threading

import pytest

from tests import leaks


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give what is found no time to end by itself."""
    monkeypatch.setattr(leaks, "GRACE", 0.05)


def test_a_running_process_is_named_and_killed(impatient: None) -> None:
    before = leaks.child_processes()
    with subprocess.Popen(["sleep", "60"]) as process:
        (description,) = leaks.end_processes(leaks.child_processes() - before)
        assert description == f"process {process.pid}: sleep 60"
    assert leaks.child_processes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to the tests")
def test_an_orphan_is_found(impatient: None) -> None:
    before = leaks.child_processes()
    subprocess.run(["sh", "-c", "sleep 60 & exit 0"], check=True)
    (description,) = leaks.end_processes(leaks.child_processes() - before)
    assert description.endswith(": sleep 60")


def test_a_process_that_ends_is_let_pass() -> None:
    before = leaks.child_processes()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        started = leaks.child_processes() - before
        assert started == {process.pid}
        assert process.stdin is not None
        process.stdin.close()
        assert leaks.end_processes(started) == []


def test_a_running_thread_is_named(impatient: None) -> None:
    before = frozenset(threading.enumerate())
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="forgotten")
    thread.start()
    assert leaks.surviving_threads(before) == ["thread forgotten"]
    done.set()
    thread.join()
    assert leaks.surviving_threads(before) == []


async def test_a_waiting_task_is_named_and_cancelled(impatient: None) -> None:
    task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    (description,) = await leaks.surviving_tasks()
    assert description.startswith("task forgotten: ")
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_ends_is_let_pass() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    assert await leaks.surviving_tasks() == []
    assert task.done()
