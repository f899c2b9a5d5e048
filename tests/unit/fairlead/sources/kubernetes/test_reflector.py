"""What a reflector tells, against a server that lists, streams, forgets and hangs up as it likes."""

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fairlead.sources.kubernetes.reflector import Change, Identity, Listed, ListRequest, Reflector, WatchRequest

RAW = msgspec.Raw(b"{}")
NAMES = st.sampled_from("abcd")


def listed(name: str, version: int) -> Listed:
    return Listed(("shop", name), str(version), RAW)


class History(RuleBasedStateMachine):
    """Any interleaving of writes, pages, events, bookmarks, 410s and disconnects."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 1
        self.objects: dict[str, int] = {}
        self.history: list[tuple[int, str, bool]] = []
        self.oldest = 0
        self.reflector = Reflector()
        # What a reader of the changes has, with the version that it last heard of.
        self.told: dict[Identity, int] = {}
        self.pages: list[list[Listed]] = []
        self.pages_version = 0
        self.pages_objects: dict[str, int] = {}
        self.position: int | None = None
        self.initial: list[Listed] | None = None

    @initialize(streams=st.booleans())
    def begin(self, streams: bool) -> None:  # noqa: FBT001 - drawn
        self.reflector = Reflector(streams=streams)

    @rule(name=NAMES)
    def write(self, name: str) -> None:
        self.version += 1
        self.objects[name] = self.version
        self.history.append((self.version, name, False))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if self.objects.pop(name, None) is not None:
            self.version += 1
            self.history.append((self.version, name, True))

    @rule()
    def compact(self) -> None:
        self.oldest = self.version
        if self.pages:
            self.pages_version = -1

    @precondition(lambda self: isinstance(self.reflector.request, ListRequest))
    @rule(size=st.integers(1, 3))
    def send_page(self, size: int) -> None:
        request = self.reflector.request
        assert isinstance(request, ListRequest)
        if not request.token:
            self.pages_version = self.version
            items = [listed(name, version) for name, version in sorted(self.objects.items())]
            self.pages = [items[at : at + size] for at in range(0, len(items), size)] or [[]]
        elif self.pages_version < 0:
            self.reflector.expire()
            return
        page = self.pages.pop(0)
        self.take(self.reflector.take_page(page, str(self.pages_version), "more" if self.pages else ""))

    @precondition(lambda self: isinstance(self.reflector.request, WatchRequest) and self.position is None)
    @rule()
    def open_watch(self) -> None:
        request = self.reflector.request
        assert isinstance(request, WatchRequest)
        if request.is_initial:
            self.initial = [listed(name, version) for name, version in sorted(self.objects.items())]
            self.position = self.version
        elif int(request.version) < self.oldest:
            self.reflector.expire()
        else:
            self.position = int(request.version)

    @precondition(lambda self: self.initial is not None)
    @rule()
    def send_initial(self) -> None:
        assert self.initial is not None
        if self.initial:
            self.take_one(self.reflector.take_event(self.initial.pop(0)))
        else:
            self.initial = None
            self.take(self.reflector.take_bookmark(str(self.position), ends_list=True))

    @precondition(lambda self: self.position is not None and self.initial is None)
    @rule(repeat=st.booleans())
    def send_event(self, repeat: bool) -> None:  # noqa: FBT001 - drawn
        assert self.position is not None
        event = next((each for each in self.history if each[0] > self.position), None)
        if event is None:
            self.take(self.reflector.take_bookmark(str(self.version)))
            self.position = self.version
            return
        version, name, gone = event
        self.position = version
        for _ in range(2 if repeat else 1):
            self.take_one(self.reflector.take_event(listed(name, version), deleted=gone))

    @precondition(lambda self: self.position is not None)
    @rule()
    def disconnect(self) -> None:
        self.position = self.initial = None
        self.reflector.disconnect()

    @precondition(lambda self: self.initial is not None)
    @rule()
    def refuse_streaming(self) -> None:
        self.position = self.initial = None
        self.reflector.refuse_streaming()

    def take_one(self, change: Change | None) -> None:
        self.take([change] if change else [])

    def take(self, changes: list[Change]) -> None:
        for change in changes:
            if change.raw is None:
                assert self.told.pop(change.identity, None) is not None, "gone, and nobody knew of it"
            else:
                known = int(self.reflector._known[change.identity])
                assert self.told.get(change.identity) != known, "told twice"
                self.told[change.identity] = known

    @invariant()
    def the_reader_is_up_to_date_when_the_watch_is(self) -> None:
        if self.reflector.is_synced and self.position == self.version and self.initial is None:
            expected = {("shop", name): version for name, version in self.objects.items()}
            assert self.told == expected

    def teardown(self) -> None:
        """However it went so far: from here on the server behaves, and everything comes right."""
        self.position = self.initial = None
        self.reflector.disconnect()
        while not self.is_caught_up():
            self.advance()
        self.the_reader_is_up_to_date_when_the_watch_is()

    def is_caught_up(self) -> bool:
        return self.reflector.is_synced and self.position == self.version and self.initial is None

    def advance(self) -> None:
        if isinstance(self.reflector.request, ListRequest):
            self.send_page(2)
        elif self.position is None:
            self.open_watch()
        elif self.initial is not None:
            self.send_initial()
        else:
            self.send_event(repeat=False)


TestHistory = History.TestCase
TestHistory.settings = settings(stateful_step_count=40)


def take_list(reflector: Reflector, *items: Listed, version: str = "9") -> list[Change]:
    return reflector.take_page(items, version, "")


def names(changes: list[Change]) -> list[tuple[str, bool]]:
    return [(change.identity[1], change.raw is not None) for change in changes]


def test_a_list_after_a_gap_amounts_to_the_differences() -> None:
    reflector = Reflector(streams=False)
    take_list(reflector, listed("a", 1), listed("b", 2), listed("c", 3))
    reflector.expire()
    again = take_list(reflector, listed("a", 1), listed("b", 8), listed("d", 9))
    assert names(again) == [("b", True), ("d", True), ("c", False)]
    assert reflector.request == WatchRequest("9")


def test_pages_that_arrived_stay_valid_when_the_connection_breaks() -> None:
    reflector = Reflector(streams=False)
    reflector.take_page([listed("a", 1)], "5", "next")
    reflector.disconnect()
    assert reflector.request == ListRequest("next")
    assert not reflector.is_synced


def test_a_streaming_list_starts_over_when_the_connection_breaks() -> None:
    reflector = Reflector()
    reflector.take_event(listed("a", 1))
    reflector.disconnect()
    assert reflector.request == WatchRequest(is_initial=True)
    reflector.take_event(listed("b", 2))
    gone = reflector.take_bookmark("7", ends_list=True)
    assert names(gone) == [("a", False)]


def test_a_bookmark_moves_the_version_on() -> None:
    reflector = Reflector(streams=False)
    take_list(reflector, version="5")
    reflector.take_bookmark("8")
    assert reflector.request == WatchRequest("8")


def test_everything_is_told_again_when_nobody_knows_what_became_of_it() -> None:
    reflector = Reflector(streams=False)
    take_list(reflector, listed("a", 1), listed("b", 2))
    reflector.distrust()
    assert names(take_list(reflector, listed("a", 1))) == [("a", True), ("b", False)]


def test_a_collection_that_is_gone_takes_its_objects_along() -> None:
    reflector = Reflector(streams=False)
    take_list(reflector, listed("a", 1))
    assert names(reflector.clear()) == [("a", False)]
    assert len(reflector) == 0


def test_a_server_without_streaming_lists_is_asked_for_pages() -> None:
    reflector = Reflector()
    reflector.refuse_streaming()
    assert reflector.request == ListRequest()
    reflector.expire()
    request: Any = reflector.request
    assert request == ListRequest()
