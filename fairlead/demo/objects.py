"""The mesh objects of the demonstration: a gateway, two versions of a shop, and the weights between them."""

from typing import Any, Final

Document = dict[str, Any]

HOST: Final = "shop.example.com"
SERVICE: Final = "shop"
VERSIONS: Final = ("v1", "v2")


def gateway() -> Document:
    """A Gateway for every host on port 80 of the gateway's Service."""
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": ["*"]}]}
    return _networking("Gateway", "entrance", spec)


def subsets() -> Document:
    """A DestinationRule that names the versions."""
    named = [{"name": version, "labels": {"version": version}} for version in VERSIONS]
    return _networking("DestinationRule", SERVICE, {"host": SERVICE, "subsets": named})


def weights(first: int) -> Document:
    """A VirtualService, for the gateway and for sidecars, that gives ``first`` percent to v1 and the rest to v2."""
    shares = dict(zip(VERSIONS, (first, 100 - first), strict=True))
    route = [
        {"destination": {"host": SERVICE, "subset": version}, "weight": share} for version, share in shares.items()
    ]
    spec = {"hosts": [HOST, SERVICE], "gateways": ["entrance", "mesh"], "http": [{"route": route}]}
    return _networking("VirtualService", SERVICE, spec)


def _networking(kind: str, name: str, spec: Document) -> Document:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
