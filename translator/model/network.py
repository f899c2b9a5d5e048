"""Networks: parts of the mesh between which only gateways are dialled, and the gateways of each."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import HOST_NAMESPACES, HOST_OBJECTS, NETWORK_SERVICES, NODES
from translator.model.cluster import cluster_name
from translator.model.host import is_ip, normalize_host
from translator.objects import core
from translator.objects.mesh_networks import MeshNetworkGateway, MeshNetworks
from translator.objects.registry import Kind, ObjectKey

NETWORK: Final = "topology.istio.io/network"
GATEWAY_PORT: Final = "networking.istio.io/gatewayPort"
NODE_SELECTOR: Final = "traffic.istio.io/nodeSelector"
# Istio: where its gateways between networks pass mesh TLS on.
_DEFAULT_PORT: Final = 15443


class NetworkGateway(msgspec.Struct, frozen=True, order=True):
    """A gateway into a network. ``cluster_id`` is empty where it is of no cluster in particular."""

    network: str
    cluster_id: str
    address: str
    port: int


@query
def network_gateways(db: Database) -> tuple[NetworkGateway, ...]:
    """All gateways into networks, sorted: of MeshNetworks, and of Services that a label declares to be such."""
    found = set(_labelled_gateways(db))
    for name, network in db.settings.networks.networks.items():
        for gateway in network.gateways:
            found.update(_declared_gateways(db, name, gateway))
    return tuple(sorted(found))


@query
def resolved_gateways(db: Database) -> tuple[NetworkGateway, ...]:
    """The same for clients that dial IPs only: every gateway by each address that its name has.

    A name without any stays: what is behind that gateway cannot be dialled directly either.
    """
    found: set[NetworkGateway] = set()
    for gateway in network_gateways(db):
        known = () if is_ip(gateway.address) else db.addresses_of(gateway.address)
        found.update(msgspec.structs.replace(gateway, address=each) for each in known or (gateway.address,))
    return tuple(sorted(found))


def gateways_into(gateways: Sequence[NetworkGateway], network: str, cluster_id: str) -> list[NetworkGateway]:
    """The gateways for an endpoint of a network: those of its own cluster if there are any."""
    found = [each for each in gateways if each.network == network]
    return [each for each in found if each.cluster_id == cluster_id] or found


def declared_network(networks: MeshNetworks, cluster_id: str, address: str) -> str:
    """The network that MeshNetworks give to an address in a cluster; empty for none.

    Istio: by the cluster, else by the address.
    """
    if not networks.networks:
        return ""
    by_cluster, by_address = "", ""
    for name, network in sorted(networks.networks.items()):
        for endpoints in network.endpoints:
            if endpoints.from_registry and endpoints.from_registry == cluster_id:
                by_cluster = by_cluster or name
            if endpoints.from_cidr and _holds(endpoints.from_cidr, address):
                by_address = by_address or name
    return by_cluster or by_address


def _holds(cidr: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(cidr, strict=False)
    except ValueError:
        return False


def _labelled_gateways(db: Database) -> Iterator[NetworkGateway]:
    for key in db.members(NETWORK_SERVICES, ""):
        source = db.row(key)
        if isinstance(source, core.Service):
            labels = source.metadata.labels
            text = labels.get(GATEWAY_PORT, "")
            port = int(text) if text.isdecimal() else _DEFAULT_PORT
            yield from _gateways_of(db, key, source, labels[NETWORK], port)


def _declared_gateways(db: Database, network: str, gateway: MeshNetworkGateway) -> Iterator[NetworkGateway]:
    if gateway.address:
        yield NetworkGateway(network, "", _dialled_name(gateway.address), gateway.port)
    elif gateway.registry_service_name:
        host = gateway.registry_service_name
        for namespace in db.members(HOST_NAMESPACES, host):
            for key in db.members(HOST_OBJECTS, (namespace, host)):
                source = db.row(key)
                if isinstance(source, core.Service):
                    yield from _gateways_of(db, key, source, network, gateway.port)


def _gateways_of(
    db: Database, key: ObjectKey, source: core.Service, network: str, port: int
) -> Iterator[NetworkGateway]:
    """Where a Service is reached from outside: its load balancer and external IPs, or ports of chosen machines."""
    cluster_id = cluster_name(db, key.cluster)
    selector = source.metadata.annotations.get(NODE_SELECTOR, "")
    if selector:
        node_port = next((each.node_port for each in source.spec.ports if each.port == port), 0)
        for address in _node_addresses(db, key.cluster, selector) if node_port else ():
            yield NetworkGateway(network, cluster_id, address, node_port)
        return
    balanced = (each.ip or each.hostname for each in source.status.load_balancer.ingress)
    for address in (*balanced, *source.spec.external_ips):
        if address:
            yield NetworkGateway(network, cluster_id, _dialled_name(address), port)


def _dialled_name(address: str) -> str:
    """An address as it is; a name in the one form that it is looked up by."""
    return address if is_ip(address) else normalize_host(address).rstrip(".")


def _node_addresses(db: Database, cluster: str, selector: str) -> Iterator[str]:
    """The external addresses of the machines that the JSON text of an annotation selects; an unreadable one: none."""
    try:
        wanted = msgspec.json.decode(selector, type=dict[str, str])
    except msgspec.DecodeError:
        return
    for name in db.members(NODES, cluster):
        node = db.row(ObjectKey(Kind.NODE, "", name, cluster))
        if isinstance(node, core.KubeNode) and wanted.items() <= node.metadata.labels.items():
            yield from (each.address for each in node.status.addresses if each.type == "ExternalIP" and each.address)
