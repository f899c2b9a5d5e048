"""Domains: under which names a client can call a service, and who gets a name that two of them could have."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from translator.model.host import is_ip
from translator.model.proxy import IpFamilies
from translator.model.service import Service

_SERVICES: Final = ".svc."
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - addresses that nobody dials


class ClientNames(msgspec.Struct, frozen=True, cache_hash=True):
    """What the names that a client uses depend on: its DNS search domain, its IP versions, and the table's port.

    A table of all ports (``port`` 0) spells the port of every service out, except that 80 may be left away.
    """

    dns_domain: str
    families: IpFamilies
    port: int

    def narrowed(self, hostnames: Iterable[str]) -> "ClientNames":
        """The same as far as the names of these hosts depend on it, so that clients share what is made of them.

        The search domain of a namespace shortens the names of its own services alone.
        """
        namespace, separator, domain = self.dns_domain.partition(_SERVICES)
        own = f".{namespace}{_SERVICES}"
        if not separator or any(own in hostname for hostname in hostnames):
            return self
        return msgspec.structs.replace(self, dns_domain=f"{_SERVICES}{domain}")


def search_domain(namespace: str, dns_domain: str) -> str:
    """What the search domain of some proxy would be in another namespace."""
    return f"{namespace}{_SERVICES}{dns_domain.partition(_SERVICES)[2]}"


class ServiceDomains(msgspec.Struct, frozen=True):
    """All domains of a service in order. ``derived`` are those that yield to a service that is really called so."""

    every: tuple[str, ...]
    derived: frozenset[str]


def service_domains(service: Service, port: int, aliases: Iterable[str], client: ClientNames) -> ServiceDomains:
    """The domains of a service port for a client: its name in every form, those of its aliases, its addresses."""
    names: list[str] = []
    derived: set[str] = set()
    for hostname in (service.hostname, *aliases):
        names.append(bracket(hostname))
        others = tuple(derived_names(hostname, client.dns_domain))
        names += others
        derived.update(others)
    if service.headless:
        # The names of single pods below the service's.
        names += [f"*.{name}" for name in names]
        derived.update([f"*.{name}" for name in derived])
    names += usable_addresses(service.addresses, client.families)
    return ServiceDomains(
        tuple(dict.fromkeys(spelt for name in names for spelt in spell(name, port, client.port))),
        frozenset(spelt for name in derived for spelt in spell(name, port, client.port)),
    )


def spell(name: str, port: int, table_port: int) -> tuple[str, ...]:
    """How a name of a service port is written in a table: with its port only where tables are of all ports."""
    if table_port:
        return (name,)
    with_port = f"{name}:{port}"
    return (name, with_port) if port == 80 else (with_port,)


def bracket(host: str) -> str:
    """A host as it stands in an authority: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def derived_names(hostname: str, dns_domain: str) -> Iterator[str]:
    """The absolute form of a hostname, and the short forms that the resolver of a client would complete to it."""
    if is_ip(hostname):
        return
    yield f"{hostname}."
    if _SERVICES in dns_domain:
        yield from _kubernetes_names(hostname, dns_domain)
    else:
        yield from _relative_names(hostname, dns_domain)


def _kubernetes_names(hostname: str, dns_domain: str) -> Iterator[str]:
    own_namespace, _, domain = dns_domain.partition(_SERVICES)
    qualified, separator, rest = hostname.partition(_SERVICES)
    name, _, namespace = qualified.partition(".")
    if not separator or rest != domain or not namespace:
        return
    if namespace == own_namespace:
        yield from (name, f"{qualified}.svc", qualified)
    else:
        yield from (qualified, f"{qualified}.svc")


def _relative_names(hostname: str, dns_domain: str) -> Iterator[str]:
    """Outside of Kubernetes: what is left without the labels that both names end in."""
    labels, own = hostname.split("."), dns_domain.split(".")
    shared = 0
    while shared < min(len(labels), len(own)) and labels[-1 - shared] == own[-1 - shared]:
        shared += 1
    unique = labels[: len(labels) - shared]
    if not shared or not unique:
        return
    yield ".".join(unique)
    if len(unique) == 2:
        yield ".".join((*unique, labels[len(unique)]))


def usable_addresses(addresses: Iterable[str], families: IpFamilies) -> Iterator[str]:
    """The single addresses that a client can dial; a range is nobody's authority."""
    for address in addresses:
        if address in _UNSPECIFIED or not is_ip(address):
            continue
        version = IpFamilies.V6 if ":" in address else IpFamilies.V4
        if families in (IpFamilies.DUAL, version):
            yield bracket(address)
