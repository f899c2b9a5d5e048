"""The bootstrap of an application whose gRPC library speaks xDS itself, as a client, as a server or both."""

from typing import Any

from fairlead.address import Address
from fairlead.identity import ProxyIdentity
from translator.proxyless.server_listener import SERVER_LISTENER_TEMPLATE


def build_grpc_bootstrap(identity: ProxyIdentity, xds: Address) -> dict[str, Any]:
    """The content of the file that the environment variable ``GRPC_XDS_BOOTSTRAP`` names."""
    node = identity.node()
    # Istio: this is how the control plane knows that there is no Envoy.
    node["metadata"] = {**node["metadata"], "GENERATOR": "grpc"}
    server = {"server_uri": str(xds), "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    return {
        "xds_servers": [server],
        "node": node,
        "server_listener_resource_name_template": SERVER_LISTENER_TEMPLATE,
    }
