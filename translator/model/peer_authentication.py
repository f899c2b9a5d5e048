"""PeerAuthentication: what workloads ask of their clients, port by port."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import PEER_AUTHENTICATIONS
from translator.model.proxy import Labels
from translator.model.workload import has_labels
from translator.objects.security import PeerAuthentication, PeerMode, PeerMutualTLS


class MutualTLS(enum.StrEnum):
    """What is asked of clients, once all scopes are considered."""

    STRICT = "STRICT"
    PERMISSIVE = "PERMISSIVE"
    DISABLE = "DISABLE"


class PeerPolicy(msgspec.Struct, frozen=True):
    """What a workload asks of its clients. ``ports`` are the exceptions, by its own port numbers (not a Service's)."""

    mode: MutualTLS = MutualTLS.PERMISSIVE
    ports: tuple[tuple[int, MutualTLS], ...] = ()

    def at(self, port: int) -> MutualTLS:
        """What it asks at one of its ports."""
        return next((mode for number, mode in self.ports if number == port), self.mode)


class WorkloadRule(msgspec.Struct, frozen=True):
    """A PeerAuthentication for some workloads of a namespace; None is what the namespace asks."""

    selector: Labels
    mode: MutualTLS | None
    ports: tuple[tuple[int, MutualTLS | None], ...]


class NamespacePeerRules(msgspec.Struct, frozen=True):
    """What the workloads of a namespace ask: ``mode``, and the rules for some of them, the oldest first."""

    mode: MutualTLS
    rules: tuple[WorkloadRule, ...] = ()

    def policy_for(self, labels: Mapping[str, str]) -> PeerPolicy:
        """What a workload with these labels asks. Istio: the oldest rule that selects it is the only one."""
        rule = next((each for each in self.rules if has_labels(labels, each.selector)), None)
        if rule is None:
            return PeerPolicy(self.mode)
        mode = rule.mode or self.mode
        return PeerPolicy(mode, tuple((number, wanted or mode) for number, wanted in rule.ports))


NO_MUTUAL_TLS: Final = PeerPolicy(MutualTLS.DISABLE)


@query
def peer_rules(db: Database, namespace: str) -> NamespacePeerRules:
    """The rules of a namespace.

    Istio: the mesh asks what the oldest rule without selector in the root namespace says, or PERMISSIVE; a namespace
    may ask something else; and so may its workloads. Rules with a selector in the root namespace apply to nobody.
    """
    root = db.settings.mesh.root_namespace
    mode = _general_mode(db, root) or MutualTLS.PERMISSIVE
    if namespace == root:
        return NamespacePeerRules(mode)
    rules = tuple(_workload_rule(each) for each in _oldest_first(db, namespace) if _selector(each))
    return NamespacePeerRules(_general_mode(db, namespace) or mode, rules)


def is_superseded(db: Database, source: PeerAuthentication) -> bool:
    """Whether an older rule without selector takes the place of this one, which has none either."""
    general = (each for each in _oldest_first(db, source.metadata.namespace) if not _selector(each))
    return not _selector(source) and next(general, source) != source


def _general_mode(db: Database, namespace: str) -> MutualTLS | None:
    """What the oldest rule for the whole namespace says, None if it says nothing."""
    rule = next((each for each in _oldest_first(db, namespace) if not _selector(each)), None)
    return _mode(rule.spec.mtls) if rule else None


def _oldest_first(db: Database, namespace: str) -> list[PeerAuthentication]:
    rows = (db.row(key) for key in db.members(PEER_AUTHENTICATIONS, namespace))
    found = (row for row in rows if isinstance(row, PeerAuthentication))
    return sorted(found, key=lambda each: (each.metadata.creation_timestamp, each.metadata.name))


def _workload_rule(source: PeerAuthentication) -> WorkloadRule:
    ports = {int(number): _mode(settings) for number, settings in (source.spec.port_level_mtls or {}).items()}
    return WorkloadRule(_selector(source), _mode(source.spec.mtls), tuple(sorted(ports.items())))


def _selector(source: PeerAuthentication) -> Labels:
    return tuple(sorted(source.spec.selector.match_labels.items())) if source.spec.selector else ()


def _mode(settings: PeerMutualTLS | None) -> MutualTLS | None:
    return MutualTLS(settings.mode.value) if settings and settings.mode is not PeerMode.UNSET else None
