"""Virtual addresses for services of ServiceEntries that have none, so that proxies can tell them apart by address.

Only proxies that answer the DNS questions of their workloads make use of them. Istio's controller writes addresses
into the status of a ServiceEntry; where nobody did, they follow from the name of the service, so that every control
plane, and every restart of one, comes to the same.
"""

from collections.abc import Container, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import xxhash

from translator.database import Database
from translator.engine import query
from translator.indexes import ENTRY_ADDRESSES, HOSTS_WITHOUT_ADDRESS, HostWithoutAddress

Allocation = tuple[str, ...]

# Istio: 240.240.0.0/16 and 2001:2::/48, of which the networks' own addresses are left out.
_FIRST_V4: Final = int(IPv4Address("240.240.0.1"))
_FIRST_V6: Final = int(IPv6Address("2001:2::1"))
_SIZE: Final = 2**16 - 2


@query
def allocated_addresses(db: Database, namespace: str, hostname: str) -> Allocation:
    """An IPv4 and an IPv6 address for the service, or nothing if it has addresses or does not want any."""
    return dict(_allocations(db)).get((namespace, hostname), ())


@query
def _allocations(db: Database) -> tuple[tuple[tuple[str, str], Allocation], ...]:
    """Istio: addresses that users ask for win over all others, then the older ServiceEntry keeps what it has."""
    found: dict[tuple[str, str], Allocation] = {}
    taken = set(db.members(ENTRY_ADDRESSES, ""))
    waiting: list[tuple[str, str]] = []
    for wish in db.members(HOSTS_WITHOUT_ADDRESS, ""):
        service = (wish.namespace, wish.host)
        if service in found:
            continue
        kept = _valid(wish)
        if kept and taken.isdisjoint(kept):
            found[service] = kept
            taken.update(kept)
        else:
            waiting.append(service)
    for service in dict.fromkeys(waiting):
        if service not in found:
            found[service] = next(_candidates(service, taken), ())
            taken.update(found[service])
    return tuple(found.items())


def _valid(wish: HostWithoutAddress) -> Allocation:
    try:
        addresses = [ip_address(address) for address in wish.allocated]
    except ValueError:
        return ()
    return tuple(str(address) for address in sorted(addresses, key=lambda address: address.version))


def _candidates(service: tuple[str, str], taken: Container[str]) -> Iterator[Allocation]:
    start = xxhash.xxh64_intdigest("/".join(service).encode())
    for step in range(_SIZE):
        offset = (start + step) % _SIZE
        pair = (str(IPv4Address(_FIRST_V4 + offset)), str(IPv6Address(_FIRST_V6 + offset)))
        if pair[0] not in taken and pair[1] not in taken:
            yield pair
