"""The layout of a sidecar's outbound route table: its virtual hosts, each with the domains that it really gets.

What a rule does with requests is not part of the layout, so that a change of its content leaves it as it is.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.proxy import IpFamilies, Labels
from translator.model.service import Resolution, Service, aliases
from translator.objects.registry import ObjectKey
from translator.routes.claim import UNREGISTERED_HOSTS_PORT, Claim, TableScope, table_claims, table_services
from translator.routes.domains import ClientNames, DomainRegister, bracket, service_domains
from translator.routes.virtual_host import encode_head


class TableKey(msgspec.Struct, frozen=True):
    """What the outbound route table of a sidecar depends on."""

    services: TableScope
    dns_domain: str
    families: IpFamilies
    labels: Labels = ()


class PlacedHost(NamedTuple):
    """A virtual host of a table: its encoded name and domains, and where its routes come from.

    ``rule`` is None for the default routes to ``service`` (namespace and hostname).
    """

    name: str
    head: bytes
    rule: ObjectKey | None
    service: tuple[str, str]
    port: int


@query
def layout(db: Database, key: TableKey) -> tuple[PlacedHost, ...]:
    """The virtual hosts of a table sorted by name, without the one for unknown hosts.

    Istio: names and domains go to rules in order of precedence, then to the services without rule. Those here are
    taken oldest first, so that the outcome does not depend on chance.
    """
    services = table_services(db, key.services)
    placed = _Layout(db, key, services)
    claimed: set[str] = set()
    for claim in table_claims(db, key.services, key.labels):
        placed.add_claim(claim)
        claimed.update(claim.services)
    for each in services.values():
        if each.hostname not in claimed and each.resolution is not Resolution.ALIAS:
            for port in placed.http_ports(each):
                placed.add_service(each, port, None)
    return tuple(sorted(placed.hosts))


class _Layout:
    """A table while names and domains are handed out."""

    def __init__(self, db: Database, key: TableKey, services: Mapping[str, Service]) -> None:
        self.hosts: list[PlacedHost] = []
        self._db = db
        self._services = services
        self._port = key.services.port
        self._client = ClientNames(key.dns_domain, key.families, self._port)
        self._register = DomainRegister(services)

    def http_ports(self, each: Service) -> Iterator[int]:
        """The ports of a service that the table has routes for."""
        for port in each.ports:
            if port.protocol.may_be_http and self._port in (0, port.number):
                yield port.number

    def add_claim(self, claim: Claim) -> None:
        """Per port the hosts that no service has, then the services. Without services: Istio knows only port 80."""
        ports: dict[int, list[Service]] = {}
        for hostname in claim.services:
            for port in self.http_ports(self._services[hostname]):
                ports.setdefault(port, []).append(self._services[hostname])
        if not ports and self._port == UNREGISTERED_HOSTS_PORT:
            ports[self._port] = []
        for port, services in sorted(ports.items()):
            # Such a host has no form with a port, and in a table of all ports only port 80 goes without.
            if self._port or port == UNREGISTERED_HOSTS_PORT:
                for host in claim.plain_hosts:
                    self._add(host, port, (bracket(host),), claim.rule)
            for each in services:
                self.add_service(each, port, claim.rule)

    def add_service(self, each: Service, port: int, rule: ObjectKey | None) -> None:
        """A service under all of its names; the names of aliases that have no other use lead to it, too."""
        domains = service_domains(each, port, aliases(self._db, each.hostname), self._client)
        name = f"{bracket(each.hostname)}:{port}"
        kept = self._register.claim(name, domains.every, domains.derived)
        if kept:
            service = (each.namespace, each.hostname)
            self.hosts.append(PlacedHost(name, encode_head(name, kept), rule, service, port))

    def _add(self, host: str, port: int, domains: tuple[str, ...], rule: ObjectKey) -> None:
        name = f"{bracket(host)}:{port}"
        kept = self._register.claim(name, domains)
        if kept:
            self.hosts.append(PlacedHost(name, encode_head(name, kept), rule, ("", host), port))
