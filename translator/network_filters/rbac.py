"""Access control: which connections are audited, refused and let in."""

from typing import Final

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2

from translator.pb import encoded_any

NAME: Final = "envoy.filters.network.rbac"


def build_access_filters(configurations: tuple[bytes, ...]) -> list[listener_components_pb2.Filter]:
    """A filter for each configuration. Envoy asks them when the client has sent its first bytes."""
    return [
        listener_components_pb2.Filter(name=NAME, typed_config=encoded_any(rbac_pb2.RBAC, config))
        for config in configurations
    ]
