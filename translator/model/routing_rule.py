"""Routing rules in normal form: what routes are made of, whatever kind of object they come from.

In a rule every name is complete: destination hosts are fully qualified, gateways are ``namespace/name``. What
reads a rule therefore needs to know nothing of the namespace that it comes from.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from translator.model.export import PUBLIC, Export
from translator.objects.registry import ObjectKey
from translator.objects.virtual_service import Destination, HTTPRoute, TCPRoute, TLSRoute


class RuleTarget(NamedTuple):
    """A destination that a rule names; ``port`` 0 means any port of the host."""

    host: str
    port: int


class RoutingRule(msgspec.Struct, frozen=True, kw_only=True):
    """Rules for some hosts. ``gateways`` holds ``mesh`` and qualified gateway names, sorted.

    ``segments``: the rule follows the Gateway API, by which prefixes are whole segments of a path, and what cannot be
    sent on is answered with 500.
    """

    key: ObjectKey
    created: str
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    export: Export
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()
    segments: bool = False

    def precedence(self, namespace: str) -> tuple[int, str, str, str]:
        """Sort key among the rules that a namespace sees, first one first.

        Istio: rules that a namespace keeps to itself come before those exported to it by name, and these before
        public ones; only within such a class does age count.
        """
        private = self.key.namespace == namespace
        visibility = 2 if self.export == PUBLIC else int(not private)
        return (visibility, self.created, self.key.name, self.key.namespace)

    def targets(self, namespace: str) -> tuple[RuleTarget, ...]:
        """Every destination, mirrors included, that clients of a namespace can be sent to; sorted, each once."""
        routes: tuple[HTTPRoute | TLSRoute | TCPRoute, ...] = (*self.http, *self.tls, *self.tcp)
        targets = {
            RuleTarget(destination.host, destination.port.number if destination.port else 0)
            for route in routes
            if not route.match or any(match.source_namespace in ("", namespace) for match in route.match)
            for destination in destinations(route)
        }
        return tuple(sorted(targets))


def destinations(route: HTTPRoute | TLSRoute | TCPRoute) -> Iterator[Destination]:
    """Every destination that a rule sends to, mirrors included."""
    for entry in route.route:
        yield entry.destination
    if isinstance(route, HTTPRoute):
        if route.mirror is not None:
            yield route.mirror
        for mirror in route.mirrors:
            yield mirror.destination
