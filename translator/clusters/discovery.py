"""How a cluster finds its endpoints."""

from enum import StrEnum
from typing import Final

import msgspec

from translator.model.host import is_wildcard
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, Role, ViewKey
from translator.model.service import Resolution, Service
from translator.objects.destination_rule import LoadBalancerSettings, SimpleLB


class Discovery(StrEnum):
    """The kinds of cluster that services become."""

    EDS = "eds"
    ORIGINAL_DST = "original-dst"
    STRICT_DNS = "strict-dns"
    LOGICAL_DNS = "logical-dns"
    DYNAMIC_FORWARD = "dynamic-forward"

    @property
    def holds_endpoints(self) -> bool:
        """Whether the endpoints stand in the cluster itself."""
        return self in (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS)


class Client(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """What outbound clusters depend on of a class of proxies, beside namespace, labels and place.

    ``intercepted``: connections reach the proxy by redirection, so that it knows where they were meant to go.
    ``has_identity``: it can show a certificate of the mesh.
    """

    role: Role
    intercepted: bool
    families: IpFamilies
    has_identity: bool = False


_DYNAMIC_PROTOCOLS: Final = frozenset({Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS})
_BY_RESOLUTION: Final = {
    Resolution.CLIENT_SIDE: Discovery.EDS,
    Resolution.DNS: Discovery.STRICT_DNS,
    Resolution.DNS_ROUND_ROBIN: Discovery.LOGICAL_DNS,
}


def client_of(view: ViewKey) -> Client:
    """The client that the proxies of a View are."""
    intercepted = view.role is Role.SIDECAR and view.capture is not Capture.NONE
    return Client(role=view.role, intercepted=intercepted, families=view.families, has_identity=view.has_identity)


def discover(
    owner: Service, protocol: Protocol, balancer: LoadBalancerSettings | None, client: Client
) -> Discovery | None:
    """How the cluster for a port of a service finds its endpoints; None where there is no cluster.

    Only an intercepting proxy can pass connections on to where they were meant to go. For all others a cluster that
    would do so gets the endpoints that are known; for a sidecar, where none can be known, those are the addresses of
    the service or the host itself.
    """
    if owner.resolution is Resolution.ALIAS or protocol is Protocol.UDP:
        return None
    if owner.dynamic:
        return Discovery.DYNAMIC_FORWARD if protocol in _DYNAMIC_PROTOCOLS else None
    passthrough = owner.resolution is Resolution.PASSTHROUGH or (
        balancer is not None and balancer.simple is SimpleLB.PASSTHROUGH
    )
    if passthrough and client.intercepted:
        return Discovery.ORIGINAL_DST
    if owner.unresolved and client.role is Role.SIDECAR and not is_wildcard(owner.hostname):
        return Discovery.STRICT_DNS
    if owner.races and owner.resolution is Resolution.DNS:
        return Discovery.LOGICAL_DNS
    return _BY_RESOLUTION.get(owner.resolution, Discovery.EDS)
