"""Endpoints of other networks: what a client dials in their place."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from translator.endpoints.locality import NetworkPlace
from translator.model.endpoint import Endpoint, Health
from translator.model.host import is_ip
from translator.model.network import NetworkGateway, gateways_into
from translator.model.proxy import IpFamilies
from translator.model.workload import TLS_MODE_ISTIO, Workload, augment_labels

# What a gateway endpoint stands for: the locality of those behind it, and the gateway.
_Share = tuple[str, NetworkGateway]


def enter_networks(
    endpoints: Iterable[Endpoint], gateways: Sequence[NetworkGateway], place: NetworkPlace, *, by_name: bool
) -> tuple[Endpoint, ...]:
    """The endpoints as a client dials them: directly in its own network, through gateways in others.

    Istio: gateways tell the destination by the SNI of the mesh's TLS, so endpoints that are not dialled by it
    (``tls_mode``) cannot be reached. To share loads exactly, all weights are multiplied by what the numbers of
    gateways have in common. A gateway takes the place of those behind it in their locality. Gateways with names are
    for clients that resolve names, and each client dials those of its IP versions only.
    """
    dialled = [each for each in gateways if _is_dialled(each, place.families, by_name=by_name)]
    scale = math.lcm(*_counts(dialled))
    direct: dict[tuple[str, int], Endpoint] = {}
    shares: Counter[_Share] = Counter()
    for endpoint in endpoints:
        workload = endpoint.workload
        if place.view and workload.network and workload.network not in place.view:
            continue
        if workload.network == place.name or not gateways_into(gateways, workload.network, workload.cluster_id):
            if endpoint.address:
                direct.setdefault((endpoint.address, endpoint.port), _scaled(endpoint, scale))
        elif _is_entered(endpoint):
            ways = gateways_into(dialled, workload.network, workload.cluster_id)
            for way in ways:
                shares[workload.locality, way] += (endpoint.weight or 1) * scale // len(ways)
    entered = (_as_endpoint(share, weight) for share, weight in sorted(shares.items()))
    return (*direct.values(), *(each for each in entered if (each.address, each.port) not in direct))


def _counts(gateways: Sequence[NetworkGateway]) -> Iterable[int]:
    """How many gateways a load may have to be divided by."""
    return {
        *Counter(each.network for each in gateways).values(),
        *Counter((each.network, each.cluster_id) for each in gateways).values(),
    }


def _scaled(endpoint: Endpoint, scale: int) -> Endpoint:
    return msgspec.structs.replace(endpoint, weight=(endpoint.weight or 1) * scale) if scale > 1 else endpoint


def _is_entered(endpoint: Endpoint) -> bool:
    """Whether there is load for it at a gateway: who is down or about to go is nobody's share."""
    return bool(endpoint.tls_mode) and endpoint.health in (Health.HEALTHY, Health.UNKNOWN)


def _is_dialled(way: NetworkGateway, families: IpFamilies, *, by_name: bool) -> bool:
    if not is_ip(way.address):
        return by_name
    return families is IpFamilies.DUAL or (":" in way.address) is (families is IpFamilies.V6)


def _as_endpoint(share: _Share, weight: int) -> Endpoint:
    locality, way = share
    workload = Workload(
        name="",
        namespace="",
        labels=augment_labels({}, locality, way.network, way.cluster_id, ""),
        locality=locality,
        network=way.network,
        cluster_id=way.cluster_id,
    )
    named = not is_ip(way.address)
    return Endpoint(way.address, way.port, "", workload, Health.HEALTHY, weight, named, TLS_MODE_ISTIO)
