"""The names of Envoy resources, which follow Istio's because people search for them."""

from sys import intern
from typing import Final, NamedTuple

BLACK_HOLE_CLUSTER: Final = "BlackHoleCluster"
PASSTHROUGH_CLUSTER: Final = "PassthroughCluster"
INBOUND_PASSTHROUGH_CLUSTER: Final = "InboundPassthroughCluster"
DYNAMIC_DNS_CLUSTER: Final = "AllowAnyDynamicDNSCluster"

HTTP_PROXY_ROUTE: Final = "http_proxy"

VIRTUAL_OUTBOUND: Final = "virtualOutbound"
VIRTUAL_INBOUND: Final = "virtualInbound"


class ClusterName(NamedTuple):
    """The parts of an outbound cluster's name, which is also its endpoint assignment's."""

    port: int
    subset: str
    host: str


def outbound_cluster(port: int, subset: str, host: str) -> str:
    """The cluster for a service port, e.g. ``outbound|8000|v1|httpbin.default.svc.cluster.local``."""
    # Cluster, assignment, routes and subscriptions go by it.
    return intern(f"outbound|{port}|{subset}|{host}")


def parse_outbound_cluster(name: str) -> ClusterName | None:
    """The parts of an outbound cluster's name, or None for any other name."""
    parts = name.split("|")
    if len(parts) != 4 or parts[0] != "outbound" or not parts[1].isdigit():
        return None
    return ClusterName(int(parts[1]), parts[2], parts[3])


def subset_sni(port: int, subset: str, host: str) -> str:
    """The SNI by which mesh TLS names a service port: ``outbound_.80_.v1_.host``."""
    return f"outbound_.{port}_.{subset}_.{host}"


def inbound_cluster(target_port: int) -> str:
    """The cluster (and inline route) of a workload's own port: ``inbound|8080||``."""
    return f"inbound|{target_port}||"


def listener(bind: str, port: int) -> str:
    """The name of a listener bound to an address and port: ``0.0.0.0_80``."""
    return f"{bind}_{port}"


def datagram_listener(bind: str, port: int) -> str:
    """The name of a listener on a UDP port: ``udp_0.0.0.0_443``."""
    return f"udp_{listener(bind, port)}"


def sniffed_route(host: str, port: int) -> str:
    """The route table of a single service's own address, whose protocol is detected: ``HOST:7000``."""
    return f"{host}:{port}"


def http_gateway_route(port: int, bind: str) -> str:
    """The route table that all plain servers of a gateway's port share: ``http.8080``, ``http.8080.10.0.0.1``."""
    return f"http.{port}.{bind}" if bind else f"http.{port}"


def https_gateway_route(number: int, port_name: str, gateway: tuple[str, str], bind: str) -> str:
    """The route table of one HTTPS server: ``https.443.https.NAME.NAMESPACE``; ``gateway`` is name and namespace."""
    name, namespace = gateway
    route = f"https.{number}.{port_name}.{name}.{namespace}"
    return f"{route}.{bind}" if bind else route
