"""What an assignment loses is told from its endpoints, whatever else changes of them."""

import msgspec
import pytest

from translator.endpoints.assignment import Assignment, AssignmentInputs
from translator.endpoints.losses import NO_LOSS, Loss, find_loss
from translator.model.endpoint import Endpoint, Health
from translator.model.workload import Workload
from xds.resource import Resource
from xds.types import ENDPOINT

SOME, ALL = Loss(any=True, all=False), Loss(any=True, all=True)
HEALTHY, UNHEALTHY, DRAINING = Health.HEALTHY, Health.UNHEALTHY, Health.DRAINING


def assignment(**endpoints: Health) -> Assignment:
    """Endpoints by their names."""
    made = (
        Endpoint(name, 80, "http", Workload(name=name, namespace="default", labels={}), health)
        for name, health in endpoints.items()
    )
    return Assignment(AssignmentInputs(name="web", endpoints=tuple(made)))


@pytest.mark.parametrize(
    ("before", "after", "loss"),
    [
        (assignment(a=HEALTHY, b=HEALTHY), assignment(a=HEALTHY), SOME),
        (assignment(a=HEALTHY, b=HEALTHY), assignment(a=HEALTHY, b=UNHEALTHY, c=HEALTHY), SOME),
        (assignment(a=HEALTHY, b=HEALTHY), assignment(a=HEALTHY, b=DRAINING), SOME),
        (assignment(a=DRAINING, b=HEALTHY), assignment(b=HEALTHY), SOME),
        (assignment(a=HEALTHY), assignment(), ALL),
        (assignment(a=HEALTHY), assignment(a=DRAINING), ALL),
        (assignment(a=HEALTHY, b=UNHEALTHY), assignment(b=UNHEALTHY), ALL),
        (assignment(a=HEALTHY), assignment(b=HEALTHY), ALL),
        (assignment(a=HEALTHY), None, ALL),
        (assignment(), None, ALL),
        (assignment(a=UNHEALTHY, b=HEALTHY), assignment(b=HEALTHY), NO_LOSS),
        (assignment(a=DRAINING), assignment(a=HEALTHY), NO_LOSS),
        (assignment(a=HEALTHY), assignment(a=Health.UNKNOWN), NO_LOSS),
        (assignment(a=HEALTHY), assignment(b=HEALTHY, a=HEALTHY), NO_LOSS),
        (None, assignment(a=HEALTHY), NO_LOSS),
        (Resource(ENDPOINT, "web", b""), None, NO_LOSS),
    ],
)
def test_what_is_a_loss(before: Resource | None, after: Resource | None, loss: Loss) -> None:
    assert find_loss(before, after) == loss


def test_endpoints_that_are_the_same_objects_are_recognised() -> None:
    before = assignment(a=HEALTHY, b=HEALTHY, c=UNHEALTHY)
    one, two, three = before.endpoints
    heavier = msgspec.structs.replace(one, weight=7)

    def after(*endpoints: Endpoint) -> Loss:
        return find_loss(before, Assignment(AssignmentInputs(name="web", endpoints=endpoints)))

    assert after(one, two, three) == after(three, two, one) == after(heavier, two) == NO_LOSS
    assert after(one, three) == after(heavier) == SOME
    assert after(three) == ALL
