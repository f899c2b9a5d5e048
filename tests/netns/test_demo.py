"""The demonstration with interception: its scenes hold there, too."""

from pathlib import Path

import pytest

from fairlead.demo.story import stage


@pytest.mark.timeout(90)
async def test_scenes_of_the_story_hold(tmp_path: Path) -> None:
    async with stage(tmp_path, lambda _step: None, intercepted=True) as story:
        await story.shift(0)
        await story.scale(2)
        board = story.board
    assert [split.wanted for split in board.splits] == [0]
    assert board.changes[0].served is not None
    assert board.holds, (board.splits, board.changes, board.gateway.describe_failures())
