"""What an Envoy has been told, read from the ``config_dump`` of its admin interface."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

# A control plane that says nothing about the health of an endpoint means a healthy one.
_SERVING: Final = frozenset({"UNKNOWN", "HEALTHY", "DEGRADED"})


@dataclass(frozen=True, slots=True)
class EnvoyConfig:
    """The resources in force, by name, as proto JSON with the field names of the API (snake case)."""

    listeners: Mapping[str, Json]
    routes: Mapping[str, Json]
    clusters: Mapping[str, Json]
    endpoints: Mapping[str, Json]

    def hosts(self, cluster: str) -> frozenset[str]:
        """The addresses (``ip:port``) of a cluster's endpoints, whatever their health; empty if it has none."""
        return frozenset(address for address, _ in self._endpoint_healths(cluster))

    def healthy_hosts(self, cluster: str) -> frozenset[str]:
        """Those of its endpoints that may get requests."""
        return frozenset(address for address, health in self._endpoint_healths(cluster) if health in _SERVING)

    def listener_on(self, port: int) -> Json | None:
        """The listener on a port, whatever its address."""
        return next((listener for listener in self.listeners.values() if _port(listener) == port), None)

    def http_connection_manager(self, listener: str) -> Json:
        """The first HTTP connection manager of a listener. LookupError when there is none."""
        for chain in _filter_chains(self.listeners[listener]):
            for network_filter in chain.get("filters", ()):
                if network_filter["name"] == "envoy.filters.network.http_connection_manager":
                    return dict(network_filter["typed_config"])
        raise LookupError(f"listener {listener} has no HTTP connection manager")

    def _endpoint_healths(self, cluster: str) -> Iterator[tuple[str, str]]:
        for locality in self.endpoints.get(cluster, {}).get("endpoints", ()):
            for endpoint in locality.get("lb_endpoints", ()):
                if address := endpoint["endpoint"]["address"].get("socket_address"):
                    health = endpoint.get("health_status", "UNKNOWN")
                    yield f"{address['address']}:{address['port_value']}", health


def parse_config_dump(dump: Json) -> EnvoyConfig:
    """Read a ``config_dump?include_eds``; what is still warming or was rejected does not count."""
    sections = {section["@type"].rpartition(".")[2]: section for section in dump.get("configs", ())}
    return EnvoyConfig(
        listeners=dict(_listeners(sections.get("ListenersConfigDump", {}))),
        routes=_named(sections.get("RoutesConfigDump", {}), "route_configs", "route_config", "name"),
        clusters=_named(sections.get("ClustersConfigDump", {}), "clusters", "cluster", "name", active="active_"),
        endpoints=_named(
            sections.get("EndpointsConfigDump", {}), "endpoint_configs", "endpoint_config", "cluster_name"
        ),
    )


def _named(section: Json, collection: str, field: str, key: str, active: str = "") -> dict[str, Json]:
    entries = (*section.get(f"static_{collection}", ()), *section.get(f"dynamic_{active}{collection}", ()))
    return {entry[field].get(key, ""): entry[field] for entry in entries if field in entry}


def _listeners(section: Json) -> Iterator[tuple[str, Json]]:
    for static in section.get("static_listeners", ()):
        yield static["listener"].get("name", ""), static["listener"]
    for dynamic in section.get("dynamic_listeners", ()):
        if "active_state" in dynamic:
            yield dynamic["name"], dynamic["active_state"]["listener"]


def _port(listener: Json) -> int | None:
    port = listener.get("address", {}).get("socket_address", {}).get("port_value")
    return int(port) if port is not None else None


def _filter_chains(listener: Json) -> Iterator[Json]:
    yield from listener.get("filter_chains", ())
    if "default_filter_chain" in listener:
        yield listener["default_filter_chain"]
