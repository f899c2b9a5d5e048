"""Networks: parts of the mesh between which only gateways are dialled, and the gateways of each."""

import itertools
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import HOST_NAMESPACES, HOST_OBJECTS, NETWORK_GATEWAYS, NODES
from translator.model.cluster import cluster_name
from translator.model.host import is_ip, normalize_host
from translator.objects import core
from translator.objects.gateway_api import KubernetesGateway, Listener
from translator.objects.mesh_networks import MeshNetwork, MeshNetworkGateway, MeshNetworks
from translator.objects.registry import Kind, ObjectKey

NETWORK: Final = "topology.istio.io/network"
GATEWAY_PORT: Final = "networking.istio.io/gatewayPort"
NODE_SELECTOR: Final = "traffic.istio.io/nodeSelector"
# Istio: where its gateways between networks pass mesh TLS on.
_DEFAULT_PORT: Final = 15443
# Istio: what a listener of the Gateway API is for, where it has another port.
_LISTENER_PROTOCOL: Final = "gateway.istio.io/listener-protocol"
_AUTO_PASSTHROUGH: Final = "auto-passthrough"
_DIALLED: Final = ("IPAddress", "Hostname")


class NetworkGateway(msgspec.Struct, frozen=True, order=True):
    """A gateway into a network. ``cluster_id`` is empty where it is of no cluster in particular."""

    network: str
    cluster_id: str
    address: str
    port: int


@query
def network_gateways(db: Database) -> tuple[NetworkGateway, ...]:
    """All gateways into networks, sorted: of MeshNetworks, and of what a label declares to be such.

    Those are Services, and gateways of the Gateway API.
    """
    found = set(_labelled_gateways(db))
    for name, network in db.settings.networks.networks.items():
        for gateway in network.gateways:
            found.update(_declared_gateways(db, name, network, gateway))
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
    for key in db.members(NETWORK_GATEWAYS, ""):
        source = db.row(key)
        labels = source.metadata.labels if source else {}
        text = labels.get(GATEWAY_PORT, "")
        port = int(text) if text.isdecimal() else _DEFAULT_PORT
        if isinstance(source, core.Service):
            yield from _gateways_of(db, key, source, labels[NETWORK], port)
        elif isinstance(source, KubernetesGateway):
            listeners = [each for each in source.spec.listeners if _passes_mesh_tls(each, port)]
            addresses = (each.value for each in source.spec.addresses if each.type in _DIALLED and each.value)
            for address, listener in itertools.product(addresses, listeners):
                cluster_id = cluster_name(db, key.cluster)
                yield NetworkGateway(labels[NETWORK], cluster_id, _dialled_name(address), listener.port)


def _passes_mesh_tls(listener: Listener, port: int) -> bool:
    """Istio: a TLS listener that says so, or that has the port of such gateways."""
    tls = listener.tls
    return tls is not None and (listener.port == port or tls.options.get(_LISTENER_PROTOCOL) == _AUTO_PASSTHROUGH)


def _declared_gateways(
    db: Database, name: str, network: MeshNetwork, gateway: MeshNetworkGateway
) -> Iterator[NetworkGateway]:
    """Istio: a Service counts in the clusters that belong to the network, and if no label says what it is."""
    if gateway.address:
        yield NetworkGateway(name, "", _dialled_name(gateway.address), gateway.port)
    elif gateway.registry_service_name:
        host = gateway.registry_service_name
        clusters = {each.from_registry for each in network.endpoints}
        for namespace in db.members(HOST_NAMESPACES, host):
            for key in db.members(HOST_OBJECTS, (namespace, host)):
                source = db.row(key) if cluster_name(db, key.cluster) in clusters else None
                if isinstance(source, core.Service) and not source.metadata.labels.get(NETWORK):
                    yield from _gateways_of(db, key, source, name, gateway.port)


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
