"""What the status of an object says, and when it is left alone."""

import msgspec
import pytest

from fairlead.finding import Finding
from fairlead.status.condition import (
    ACCEPTED,
    RECONCILED,
    TRANSLATED,
    Condition,
    Facts,
    ObjectStatus,
    Refusal,
    wanted_status,
)
from translator.diagnostics import Severity

GOOD = Facts(generation=1, reached=2, acknowledged=2)
FAULT = Finding(severity=Severity.ERROR, code="IST0106", subject="x", path="spec.hosts", message="must not be empty")
REFUSAL = Refusal("cart.shop", "RDS 80", "Proto constraint validation failed")


def write(facts: Facts, stored: ObjectStatus | None = None, now: str = "T1") -> ObjectStatus:
    status = wanted_status(stored or ObjectStatus(), facts, now)
    assert status is not None
    return status


def condition(status: ObjectStatus, kind: str) -> Condition:
    return next(each for each in status.conditions if each.type == kind)


def test_an_object_in_force_everywhere() -> None:
    status = write(GOOD)
    assert [(each.type, each.status) for each in status.conditions] == [
        (TRANSLATED, "True"),
        (ACCEPTED, "True"),
        (RECONCILED, "True"),
    ]
    assert condition(status, RECONCILED).message == "2 of 2 proxies have acknowledged it"
    assert status.observed_generation == 1


def test_nothing_is_written_when_nothing_changed() -> None:
    assert wanted_status(write(GOOD), GOOD, "T2") is None


@pytest.mark.parametrize("proxies", [0, 1, 7])
def test_proxies_that_come_and_go_later_change_nothing(proxies: int) -> None:
    later = Facts(generation=1, reached=proxies, acknowledged=proxies)
    status = wanted_status(write(GOOD), later, "T2")
    assert status is None or proxies == 0


def test_a_new_generation_is_noted() -> None:
    status = write(msgspec.structs.replace(GOOD, generation=2), write(GOOD), "T2")
    assert status.observed_generation == 2
    assert {each.last_transition_time for each in status.conditions} == {"T1"}


def test_a_status_of_a_newer_generation_is_left_alone() -> None:
    newer = write(msgspec.structs.replace(GOOD, generation=3))
    assert wanted_status(newer, GOOD, "T2") is None
    assert wanted_status(msgspec.structs.replace(newer, observed_generation="3"), GOOD, "T2") is None


def test_an_invalid_version_is_not_in_force() -> None:
    status = write(Facts(generation=2, faults=(FAULT,), reached=2, acknowledged=2), write(GOOD), "T2")
    translated = condition(status, TRANSLATED)
    assert (translated.status, translated.reason, translated.last_transition_time) == ("False", "Invalid", "T2")
    assert translated.message == "spec.hosts: must not be empty; the last valid version stays in force"
    assert condition(status, RECONCILED).status == "False"
    (message,) = status.validation_messages
    assert (message.type.code, message.level) == ("IST0106", "ERROR")
    assert message.documentation_url.endswith("/ist0106/")


def test_messages_go_when_the_object_is_mended() -> None:
    broken = write(Facts(generation=1, faults=(FAULT,)))
    assert write(GOOD, broken).validation_messages == ()


def test_proxies_that_reject_it_are_named_with_their_words() -> None:
    facts = Facts(generation=1, refusals=(REFUSAL,), reached=2, acknowledged=1)
    status = write(facts)
    accepted = condition(status, ACCEPTED)
    assert (accepted.status, accepted.reason) == ("False", "Rejected")
    assert accepted.message == "rejected by 1 proxy: cart.shop (RDS 80): Proto constraint validation failed"
    reconciled = condition(status, RECONCILED)
    assert (reconciled.status, reconciled.reason) == ("False", "Rejected")
    assert reconciled.message == "1 of 2 proxies have acknowledged it"


def test_many_rejections_do_not_make_an_endless_text() -> None:
    refusals = tuple(Refusal(f"proxy-{number}", "CDS a", "no " * 200) for number in range(100))
    message = condition(write(Facts(generation=1, refusals=refusals)), ACCEPTED).message
    assert message.startswith("rejected by 100 proxies")
    assert len(message) <= 1024


def test_what_is_on_its_way_says_how_far_it_is() -> None:
    status = write(Facts(generation=1, reached=3, acknowledged=1))
    assert condition(status, RECONCILED).reason == "Propagating"
    further = write(Facts(generation=1, reached=3, acknowledged=2), status, "T2")
    assert condition(further, RECONCILED).message == "2 of 3 proxies have acknowledged it"
    assert condition(further, RECONCILED).last_transition_time == "T1"


def test_conditions_of_others_stay() -> None:
    foreign = Condition(type="Healthy", status="True", reason="Reported", last_transition_time="T0")
    status = write(GOOD, ObjectStatus(conditions=(foreign,)))
    assert status.conditions[0] == foreign
    assert wanted_status(status, GOOD, "T2") is None


def test_a_resource_that_cannot_be_built_is_told() -> None:
    status = write(Facts(generation=1, failures=("RDS 80 cannot be built: KeyError()",)))
    assert condition(status, TRANSLATED).reason == "Failed"


def test_replicas_that_come_to_a_change_late_are_counted_in() -> None:
    later = Facts(generation=1, reached=5, acknowledged=5)
    status = wanted_status(write(GOOD), later, "T2", recounts=True)
    assert status is not None
    assert condition(status, RECONCILED).message == "5 of 5 proxies have acknowledged it"
    assert condition(status, RECONCILED).last_transition_time == "T1"
    assert wanted_status(status, later, "T3", recounts=True) is None


def test_proxies_that_refuse_without_being_named_are_counted() -> None:
    facts = msgspec.structs.replace(GOOD, acknowledged=0, refusals=(REFUSAL,), unnamed=7)
    assert condition(write(facts), ACCEPTED).message.startswith("rejected by 8 proxies: cart.shop")
