"""Events of Kubernetes, about problems with objects of the mesh."""

from typing import Any, Final

from fairlead.sources.kubernetes.served import Collection
from fairlead.status.condition import ACCEPTED, TRANSLATED, Condition, ObjectStatus
from translator.objects.registry import ObjectKey

_COMPONENT: Final = "fairlead"
_LONGEST: Final = 1000
_TOLD: Final = {TRANSLATED: "NotTranslated", ACCEPTED: "RejectedByProxy"}


def problems(before: ObjectStatus, after: ObjectStatus) -> list[Condition]:
    """The conditions that came to be bad, or are bad for another reason than before: each is worth an Event."""
    known = {condition.type: (condition.status, condition.reason) for condition in before.conditions}
    return [
        condition
        for condition in after.conditions
        if condition.type in _TOLD
        and condition.status == "False"
        and known.get(condition.type) != (condition.status, condition.reason)
    ]


def event_body(collection: Collection, key: ObjectKey, uid: str, problem: Condition, reporter: str) -> dict[str, Any]:
    """The Event for a problem."""
    now = problem.last_transition_time
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{key.name}.", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": collection.api_version,
            "kind": str(key.kind),
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
        "type": "Warning",
        "reason": _TOLD[problem.type],
        "message": problem.message[:_LONGEST],
        "source": {"component": _COMPONENT, "host": reporter},
        "reportingComponent": _COMPONENT,
        "reportingInstance": reporter,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
