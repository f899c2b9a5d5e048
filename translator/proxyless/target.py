"""Targets: the service ports that calls can be made to, and how clients spell them."""

from collections.abc import Iterator

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.protocol import Protocol
from translator.model.scope import ScopeKey, egress_scopes
from translator.model.service import Resolution
from translator.routes.claim import TableScope
from translator.routes.domains import derived_names

# The port that a client means who names none.
_DEFAULT_PORT = 80


class Target(msgspec.Struct, frozen=True):
    """A service port that a scope may call. ``place`` says which rules apply to the calls."""

    namespace: str
    hostname: str
    port: int
    place: TableScope


@query
def call_targets(db: Database, scope: ScopeKey) -> tuple[Target, ...]:
    """Every port that may speak HTTP, the preferred port of each host first.

    Istio: a port belongs to the first egress listener that could have it.
    """
    found: dict[tuple[str, int], Target] = {}
    for position, listener in enumerate(egress_scopes(db, scope)):
        dictated = 0 if listener.protocol is Protocol.HTTP_PROXY else listener.port
        for each in listener.services:
            if each.resolution is Resolution.ALIAS:
                continue
            for port in each.ports:
                if port.protocol.may_be_http and dictated in (0, port.number):
                    place = TableScope(scope, position, port.number)
                    target = Target(each.namespace, each.hostname, port.number, place)
                    found.setdefault((each.hostname, port.number), target)
    return tuple(sorted(found.values(), key=lambda target: target.port != _DEFAULT_PORT))


@query
def spelled_targets(db: Database, scope: ScopeKey, dns_domain: str) -> dict[str, Target]:
    """Targets by everything that clients may write after ``xds:///``.

    That is the host with or without the port, in full or as the resolver of the client's namespace would complete
    it. A full name wins over a short one that is spelled the same.
    """
    targets = call_targets(db, scope)
    spelled: dict[str, Target] = {}
    for target in targets:
        for name in _with_and_without_port(target.hostname, target.port):
            spelled.setdefault(name, target)
    for target in targets:
        for short in derived_names(target.hostname, dns_domain):
            for name in _with_and_without_port(short, target.port):
                spelled.setdefault(name, target)
    return spelled


def _with_and_without_port(host: str, port: int) -> Iterator[str]:
    yield f"{host}:{port}"
    yield host
