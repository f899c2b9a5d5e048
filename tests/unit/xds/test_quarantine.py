"""Whom a complaint blames, and what is held back for it."""

import pytest

from xds.quarantine import Complaint, Quarantine, named_in
from xds.resource import Resource
from xds.types import CLUSTER


@pytest.mark.parametrize(
    ("text", "names", "blamed"),
    [
        ("Error adding/updating cluster(s) web: no such LB", ["web", "we", "cluster"], {"web"}),
        ("Error adding/updating listener(s) 0.0.0.0_80: x, 0.0.0.0_8080: y", ["0.0.0.0_80", "0.0.0.0_8080"], None),
        ("Error adding/updating listener(s) 0.0.0.0_8080: y", ["0.0.0.0_80", "0.0.0.0_8080"], {"0.0.0.0_8080"}),
        (
            "cluster(s) outbound|80||a.b.svc: bad",
            ["outbound|80||a.b", "outbound|80||a.b.svc"],
            {"outbound|80||a.b.svc"},
        ),
        ("cluster(s) outbound|80|v1|a: bad", ["outbound|80||a"], set()),
        ("resource 'a' is a bad one", ["a", "bad"], {"a"}),
        ("there is a problem with the route", ["a", "route", "problem"], set()),
        ("route: unknown cluster 'x-1'", ["route", "x-1"], None),
        ("Invalid path", ["path-1"], set()),
        ("", ["a"], set()),
        ("anything", [""], set()),
    ],
)
def test_blame(text: str, names: list[str], blamed: set[str] | None) -> None:
    assert named_in(text, names) == (set(names) if blamed is None else blamed)


def resource(name: str, content: str) -> Resource:
    return Resource(CLUSTER, name, content.encode())


def test_only_the_refused_version_is_held_back() -> None:
    quarantine = Quarantine()
    bad, good = resource("c-1", "bad"), resource("c-2", "good")
    again = quarantine.reject({r.name: r.version for r in (bad, good)}, Complaint("c-1 is bad", 3.0))
    assert set(again) == {"c-2"}
    assert quarantine.holds_back(bad)
    assert not quarantine.holds_back(good)
    assert not quarantine.holds_back(resource("c-1", "mended"))
    (rejection,) = quarantine.rejections()
    assert (rejection.name, rejection.version, rejection.reason, rejection.at) == (
        "c-1",
        bad.version,
        "c-1 is bad",
        3.0,
    )


def test_suspects_wait_for_their_trial() -> None:
    quarantine = Quarantine()
    suspects = {f"c{number}": "1" for number in range(4)}
    assert set(quarantine.reject(suspects, Complaint("?", 0.0))) == {"c0", "c1"}
    assert quarantine.names() == {"c2", "c3"}
    assert set(quarantine.next_trial()) == {"c2", "c3"}
    assert not quarantine.next_trial()
    assert quarantine.is_empty


def test_a_complaint_that_is_already_explained_condemns_nobody() -> None:
    quarantine = Quarantine()
    assert set(quarantine.reject({"c": "1"}, Complaint("?", 0.0, is_explained=True))) == {"c"}
    assert quarantine.is_empty


def test_a_client_that_refuses_everything_is_not_asked_for_ever() -> None:
    quarantine = Quarantine()
    waiting = [{f"c{number}": "1" for number in range(1000)}]
    trials = 0
    while waiting:
        group = waiting.pop()
        trials += 1
        again = quarantine.reject(group, Complaint("?", 0.0)) or quarantine.next_trial()
        if again:
            waiting.append(dict.fromkeys(again, "1"))
    assert trials < 300
    assert len(quarantine.rejections()) == 1000


def test_rejections_are_bounded() -> None:
    quarantine = Quarantine()
    for number in range(3000):
        quarantine.reject({"c": str(number)}, Complaint("?", 0.0))
    assert len(quarantine.rejections()) <= 1024
