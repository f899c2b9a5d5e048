"""Which proxies have acknowledged which changes."""

from array import array
from collections.abc import Callable, Iterable

from fairlead.bench.messages import Expecting, Report, Seen


class _Expectation:
    __slots__ = ("remaining", "times")

    def __init__(self, concerned: set[int]) -> None:
        self.remaining = concerned
        self.times = array("d")


class Watch:
    """The changes that were announced and not seen by everybody yet.

    Changes to the same thing may reach a proxy together: then it gets the newest state, which shows only the newest
    of them, and the older ones count as seen.
    """

    def __init__(self, tell: Callable[[Report], None]) -> None:
        self._tell = tell
        self._expectations: dict[int, _Expectation] = {}
        self._subjects: dict[int, tuple[str, bool]] = {}
        self._open: dict[tuple[str, bool], list[int]] = {}
        # Changes may be faster than their announcement.
        self._newest = 0
        self._early: dict[int, list[tuple[int, float]]] = {}

    def expect(self, number: int, concerned: set[int], subject: tuple[str, bool]) -> None:
        """A change of a subject is going to be made and concerns these proxies."""
        self._tell(Expecting(number, len(concerned)))
        self._newest = number
        early = self._early.pop(number, ())
        if not concerned:
            return
        self._expectations[number] = _Expectation(concerned)
        self._subjects[number] = subject
        self._open.setdefault(subject, []).append(number)
        for proxy, at in early:
            self.see(proxy, (number,), at)

    def see(self, proxy: int, markers: Iterable[int], at: float) -> None:
        """A proxy has acknowledged a response that shows changes."""
        for number in markers:
            if number in self._expectations:
                for older in [each for each in self._open[self._subjects[number]] if each <= number]:
                    self._note(older, proxy, at)
            elif number > self._newest:
                self._early.setdefault(number, []).append((proxy, at))

    def _note(self, number: int, proxy: int, at: float) -> None:
        expectation = self._expectations[number]
        if proxy not in expectation.remaining:
            return
        expectation.remaining.discard(proxy)
        expectation.times.append(at)
        if not expectation.remaining:
            del self._expectations[number]
            subject = self._subjects.pop(number)
            self._open[subject].remove(number)
            self._tell(Seen(number, expectation.times.tobytes()))
