"""The status of a mesh object, from the facts about it: pure, so that equal facts give equal statuses.

Istio: ``status`` holds ``conditions``, ``validationMessages`` and ``observedGeneration``.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from fairlead.finding import Finding
from translator.diagnostics import Severity

TRANSLATED: Final = "Translated"
ACCEPTED: Final = "Accepted"
RECONCILED: Final = "Reconciled"
OWN: Final = (TRANSLATED, ACCEPTED, RECONCILED)

_SHOWN: Final = 5
_LONGEST: Final = 1024
_LEVELS: Final = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}
_DOCUMENTATION: Final = "https://istio.io/latest/docs/reference/config/analysis/"


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class Condition(_Record, frozen=True, kw_only=True):
    """One condition. Its time is that of the last change of ``status``."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    last_probe_time: str = ""
    observed_generation: int | str = 0


class MessageType(_Record, frozen=True, kw_only=True):
    """Which kind of message it is."""

    name: str = ""
    code: str = ""


class ValidationMessage(_Record, frozen=True, kw_only=True):
    """A finding as Istio puts it into a status."""

    type: MessageType = MessageType()
    level: str = ""
    documentation_url: str = ""


class ObjectStatus(_Record, frozen=True, kw_only=True):
    """The part of a status that is ours, and what others wrote beside it."""

    conditions: tuple[Condition, ...] = ()
    validation_messages: tuple[ValidationMessage, ...] = ()
    observed_generation: int | str = 0


class Refusal(msgspec.Struct, frozen=True, order=True):
    """A proxy does not take a resource that the object shapes; ``error`` is in the proxy's words."""

    proxy: str
    resource: str
    error: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one version of an object.

    ``reached`` is how many proxies its configuration concerns, ``acknowledged`` how many of them have the newest
    state. ``failures`` are resources that cannot be built. ``unnamed`` is how many more proxies than those of
    ``refusals`` refuse something.
    """

    generation: int
    faults: tuple[Finding, ...] = ()
    failures: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unnamed: int = 0
    findings: tuple[Finding, ...] = ()
    reached: int = 0
    acknowledged: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way any more."""
        return self.acknowledged >= self.reached or bool(self.faults)


def wanted_status(stored: ObjectStatus, facts: Facts, now: str, *, recounts: bool = False) -> ObjectStatus | None:
    """The status that the facts call for; None if the stored one says all of it.

    Conditions of others stay as they are. Once everything has arrived, the number of proxies is not kept up to date:
    proxies come and go, which says nothing about the object. ``recounts`` is for when replicas still come to it.
    """
    if _generation(stored.observed_generation) > facts.generation:
        return None
    before = {condition.type: condition for condition in stored.conditions}
    wanted = [_keep(before.get(condition.type), condition, now, recounts=recounts) for condition in _conditions(facts)]
    foreign = [condition for condition in stored.conditions if condition.type not in OWN]
    status = ObjectStatus(
        conditions=(*foreign, *wanted),
        validation_messages=_messages((*facts.faults, *facts.findings)),
        observed_generation=facts.generation,
    )
    same = status.conditions == (*foreign, *(each for each in stored.conditions if each.type in OWN))
    is_known = _generation(stored.observed_generation) == facts.generation
    return None if same and is_known and status.validation_messages == stored.validation_messages else status


def _conditions(facts: Facts) -> tuple[Condition, ...]:
    return (_translated(facts), _accepted(facts), _reconciled(facts))


def _translated(facts: Facts) -> Condition:
    if facts.faults:
        faults = [f"{fault.path}: {fault.message}" if fault.path else fault.message for fault in facts.faults]
        message = f"{_join(faults)}; the last valid version stays in force"
        return Condition(type=TRANSLATED, status="False", reason="Invalid", message=message[:_LONGEST])
    if facts.failures:
        return Condition(type=TRANSLATED, status="False", reason="Failed", message=_join(facts.failures)[:_LONGEST])
    return Condition(type=TRANSLATED, status="True", reason="Translated")


def _accepted(facts: Facts) -> Condition:
    if not facts.refusals:
        return Condition(type=ACCEPTED, status="True", reason="NotRejected")
    proxies = len({refusal.proxy for refusal in facts.refusals}) + facts.unnamed
    words = [f"{refusal.proxy} ({refusal.resource}): {refusal.error}" for refusal in sorted(facts.refusals)]
    message = f"rejected by {proxies} {'proxy' if proxies == 1 else 'proxies'}: {_join(words)}"
    return Condition(type=ACCEPTED, status="False", reason="Rejected", message=message[:_LONGEST])


def _reconciled(facts: Facts) -> Condition:
    if facts.faults:
        return Condition(type=RECONCILED, status="False", reason="Invalid", message="this version is not in force")
    count = f"{facts.acknowledged} of {facts.reached} proxies have acknowledged it"
    if facts.acknowledged >= facts.reached:
        reason = "Propagated" if facts.reached else "NoProxies"
        message = count if facts.reached else "it concerns no connected proxy"
        return Condition(type=RECONCILED, status="True", reason=reason, message=message)
    reason = "Rejected" if facts.refusals else "Propagating"
    return Condition(type=RECONCILED, status="False", reason=reason, message=count)


def _keep(before: Condition | None, wanted: Condition, now: str, *, recounts: bool) -> Condition:
    """The stored condition if it says the same; its time if only the words are others."""
    if before is None or before.status != wanted.status:
        return msgspec.structs.replace(wanted, last_transition_time=now)
    is_counted = wanted.type == RECONCILED and wanted.status == "True" and not recounts
    if before.reason == wanted.reason and (is_counted or before.message == wanted.message):
        return before
    return msgspec.structs.replace(wanted, last_transition_time=before.last_transition_time)


def _messages(findings: Iterable[Finding]) -> tuple[ValidationMessage, ...]:
    return tuple(
        ValidationMessage(
            type=MessageType(code=finding.code),
            level=_LEVELS[finding.severity],
            documentation_url=f"{_DOCUMENTATION}{finding.code.lower()}/" if finding.code.startswith("IST") else "",
        )
        for finding in sorted(set(findings), key=lambda each: each.rank)
    )


def _join(texts: Iterable[str]) -> str:
    shown = list(texts)
    more = f"; and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{'; '.join(shown[:_SHOWN])}{more}"


def _generation(value: int | str) -> int:
    """Istio's own statuses hold it as text: it is an int64 of protobuf."""
    return int(value) if str(value).isdigit() else 0
