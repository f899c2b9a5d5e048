"""MeshNetworks: what belongs to which network, and through which gateways each network is entered."""

from translator.objects.meta import Message, Uint32


class NetworkEndpoints(Message, frozen=True, kw_only=True):
    """Endpoints of a network: those within a CIDR, or all of a cluster."""

    from_cidr: str | None = None
    from_registry: str | None = None


class MeshNetworkGateway(Message, frozen=True, kw_only=True):
    """A way into a network: an address, or the external addresses of a Service."""

    registry_service_name: str | None = None
    address: str | None = None
    port: Uint32 = 0
    locality: str = ""


class MeshNetwork(Message, frozen=True, kw_only=True):
    """One network."""

    endpoints: tuple[NetworkEndpoints, ...] = ()
    gateways: tuple[MeshNetworkGateway, ...] = ()


class MeshNetworks(Message, frozen=True, kw_only=True):
    """The networks of a mesh by name."""

    networks: dict[str, MeshNetwork] = {}
