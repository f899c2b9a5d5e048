"""``fairlead demo``: the story holds, and Ctrl-C leaves nothing behind."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from pathlib import Path

import psutil
import pytest

from fairlead.demo.story import stage
from fairlead.mesh.waiting import NotYetError, wait_until

STORY = 150.0


async def start_demo(*arguments: str) -> Process:
    """The demonstration as a user starts it, in a process group of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fairlead", "demo", *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )


@pytest.mark.timeout(STORY + 30)
async def test_the_story_is_played_once_and_everything_holds(tmp_path: Path) -> None:
    demo = await start_demo("--once", "--keep", str(tmp_path))
    output, _ = await asyncio.wait_for(demo.communicate(), STORY)
    assert demo.returncode == 0, output.decode(errors="replace")
    text = output.decode()
    assert "everything held" in text
    assert "file to ACK" in text


async def test_the_live_story_goes_on_also_while_one_version_gets_all_of_the_traffic(tmp_path: Path) -> None:
    async with stage(tmp_path, lambda _: None) as story:
        playing = asyncio.create_task(story.play_for_ever())

        async def scaled() -> None:
            if playing.done():
                playing.result()
            if len(story.board.changes) < 2:
                raise NotYetError(str(story.board.changes))

        try:
            await wait_until(scaled, deadline=60)
        finally:
            playing.cancel()
            await asyncio.wait([playing])
        assert story.board.splits[0].wanted == 1
        assert [change.served is None for change in story.board.changes[:2]] == [True, False]
        assert story.board.failed == 0


async def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    demo = await start_demo("--keep", str(tmp_path))
    started: list[psutil.Process] = []

    async def under_load() -> None:
        if demo.returncode is not None:
            raise RuntimeError(f"the demo ended with exit code {demo.returncode}")
        started[:] = psutil.Process(demo.pid).children(recursive=True)
        log = tmp_path / "control-plane.log"
        if len(started) < 3 or not log.exists() or log.read_text().count("proxy.connected") < 2:
            raise NotYetError(f"{len(started)} processes: {started}")

    await wait_until(under_load, deadline=30)
    demo.send_signal(signal.SIGINT)
    output, _ = await asyncio.wait_for(demo.communicate(), 30)
    assert demo.returncode == 0, output.decode(errors="replace")
    assert [process for process in started if process.is_running()] == []
