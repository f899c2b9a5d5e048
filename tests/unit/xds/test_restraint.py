"""Clients wait between two changes of endpoints while the server is busy without a break, and not otherwise."""

import asyncio

from xds.restraint import Restraint

DEADLINE = 10


class Machine:
    """A clock, and a thread that computes part of the time."""

    def __init__(self) -> None:
        self.now = self.computed = 0.0
        self.restraint = Restraint(lambda: self.now, lambda: self.computed)
        self.restraint.note()

    def pass_time(self, seconds: float, share: float, step: float = 0.002) -> float:
        """Rounds of the loop, each so long; returns the pause after them."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.computed += step * share
            self.restraint.note()
        return self.restraint.pause


def test_nobody_waits_where_there_is_room() -> None:
    machine = Machine()
    assert machine.pass_time(10, share=0.6) == 0


def test_the_pause_grows_while_the_loop_is_busy_up_to_a_limit_and_shrinks_when_there_is_room() -> None:
    machine = Machine()
    pauses = [machine.pass_time(0.5, share=1) for _ in range(10)]
    assert 0 < pauses[0] < pauses[-1] == pauses[-2] < 0.15
    assert machine.pass_time(1, share=0.7) == pauses[-1]
    assert machine.pass_time(0.2, share=0.5) < pauses[-1]
    assert machine.pass_time(5, share=0.5) == 0


def test_what_was_long_ago_does_not_matter() -> None:
    machine = Machine()
    assert machine.pass_time(5, share=1) > 0
    assert machine.pass_time(1, share=1, step=1) == 0


class Patient:
    def __init__(self) -> None:
        self.resumed = asyncio.Event()

    def resume(self) -> None:
        self.resumed.set()


async def test_who_waits_goes_on_when_it_is_time() -> None:
    restraint, loop = Restraint(), asyncio.get_running_loop()
    restraint.pause = 0.1
    early, late = Patient(), Patient()
    until = loop.time() + 0.02
    restraint.hold(early, until)
    restraint.hold(late, loop.time() + 3600)
    await asyncio.wait_for(early.resumed.wait(), DEADLINE)
    assert loop.time() >= until
    assert not late.resumed.is_set()
    restraint.pause = 0.0
    await asyncio.wait_for(late.resumed.wait(), DEADLINE)
