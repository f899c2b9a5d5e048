"""What replicas tell each other of objects, and for how long it counts."""

import msgspec
import pytest

from fairlead.status.condition import Facts, Refusal
from fairlead.status.report import ObjectReport, OwnReport, PeerReports, merge, report_of
from translator.objects.registry import Kind, ObjectKey

CART = ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "cart")
WEB = ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "web")
REFUSAL = Refusal("cart.shop", "rds 80", "Only one route, please")
HERE = Facts(generation=3, reached=4, acknowledged=4)


def there(key: ObjectKey = CART, **fields: object) -> ObjectReport:
    facts = msgspec.structs.replace(Facts(generation=3, reached=2, acknowledged=1, refusals=(REFUSAL,)), **fields)
    report = report_of(key, facts)
    assert report is not None
    return report


def content(*reports: ObjectReport) -> str:
    return msgspec.json.encode(reports).decode()


def test_what_others_say_adds_up() -> None:
    facts = merge(HERE, [there(), there(refusals=(), acknowledged=2, failures=("rds 80 cannot be built",))])
    assert (facts.acknowledged, facts.reached) == (4 + 1 + 2, 4 + 2 + 2)
    assert facts.refusals == (REFUSAL,)
    assert facts.failures == ("rds 80 cannot be built",)
    assert not facts.is_settled


def test_with_nobody_else_the_facts_stay_as_they_are() -> None:
    assert merge(HERE, []) == HERE


@pytest.mark.parametrize("generation", [2, 4])
def test_who_speaks_of_another_version_has_not_acknowledged_this_one(generation: int) -> None:
    facts = merge(HERE, [there(generation=generation)])
    assert (facts.acknowledged, facts.reached, facts.refusals) == (4, 6, ())


def test_an_object_that_concerns_no_proxy_is_not_reported() -> None:
    assert report_of(CART, Facts(generation=1)) is None


def test_many_refusals_are_counted_and_some_are_named() -> None:
    refusals = tuple(Refusal(f"cart-{number}.shop", "rds 80", "x" * 5000) for number in range(100))
    report = there(refusals=refusals, reached=100, acknowledged=0)
    assert len(msgspec.json.encode(report)) < 2500
    facts = merge(HERE, [report])
    assert len({refusal.proxy for refusal in facts.refusals}) + facts.unnamed == 100


def test_a_report_is_read_as_it_was_written() -> None:
    own, peers = OwnReport(), PeerReports(lifetime=30)
    assert own.put(CART, there())
    assert peers.take("other", own.content(), now=0) == {CART}
    assert peers.about(CART) == [there()]
    assert peers.about(WEB) == []


def test_the_same_again_is_no_news() -> None:
    own = OwnReport()
    assert own.put(CART, there())
    assert not own.put(CART, there())
    assert not own.put(WEB, None)
    assert own.put(CART, None)
    assert own.content() == "[]"


def test_what_does_not_fit_is_what_is_settled_longest() -> None:
    settled = {"refusals": (), "acknowledged": 2}
    own = OwnReport(limit=len(content(there(), there(WEB, **settled))))
    old = ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "old")
    for key, report in ((CART, there()), (old, there(old, **settled)), (WEB, there(WEB, **settled))):
        own.put(key, report)
    peers = PeerReports(lifetime=30)
    assert peers.take("other", own.content(), now=0) == {CART, WEB}


def test_only_differences_are_told() -> None:
    peers = PeerReports(lifetime=30)
    peers.take("other", content(there(), there(WEB)), now=0)
    assert peers.take("other", content(there(), there(WEB)), now=10) == set()
    assert peers.take("other", content(there(), there(WEB, reached=9)), now=20) == {WEB}
    assert peers.take("other", content(there()), now=20) == {WEB}


def test_a_replica_that_is_not_heard_does_not_count_any_more() -> None:
    peers = PeerReports(lifetime=30)
    peers.take("dead", content(there()), now=0)
    peers.take("alive", content(there()), now=0)
    peers.take("alive", content(there()), now=20)
    assert peers.expire(29) == set()
    assert peers.expire(30) == {CART}
    assert (len(peers), len(peers.about(CART))) == (1, 1)
    assert peers.expired(30) == ["dead"]
    assert peers.expire(31) == set(), "told once"
    assert peers.take("dead", content(there()), now=40) == {CART}, "it was only slow"
    assert len(peers) == 2


def test_a_replica_that_leaves_takes_its_numbers_along() -> None:
    peers = PeerReports(lifetime=30)
    peers.take("other", content(there()), now=0)
    assert peers.remove("other") == {CART}
    assert peers.remove("other") == set()
    assert (peers.about(CART), len(peers)) == ([], 0)


def test_an_unreadable_report_leaves_what_was_said_before() -> None:
    peers = PeerReports(lifetime=30)
    peers.take("other", content(there()), now=0)
    with pytest.raises(msgspec.DecodeError):
        peers.take("other", "{", now=10)
    assert peers.about(CART) == [there()]
