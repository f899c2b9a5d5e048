"""The Envoy resource types: their type URLs and the protocol traits that differ between them.

Nothing here knows what a resource contains; traits are those of the xDS protocol text
(https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol).
"""

from dataclasses import dataclass
from typing import Final, NewType

TypeUrl = NewType("TypeUrl", str)

_PREFIX: Final = "type.googleapis.com/"


def _url(message: str) -> TypeUrl:
    return TypeUrl(_PREFIX + message)


CLUSTER: Final = _url("envoy.config.cluster.v3.Cluster")
ENDPOINT: Final = _url("envoy.config.endpoint.v3.ClusterLoadAssignment")
LISTENER: Final = _url("envoy.config.listener.v3.Listener")
ROUTE: Final = _url("envoy.config.route.v3.RouteConfiguration")
SCOPED_ROUTE: Final = _url("envoy.config.route.v3.ScopedRouteConfiguration")
VIRTUAL_HOST: Final = _url("envoy.config.route.v3.VirtualHost")
SECRET: Final = _url("envoy.extensions.transport_sockets.tls.v3.Secret")
RUNTIME: Final = _url("envoy.service.runtime.v3.Runtime")
EXTENSION_CONFIG: Final = _url("envoy.config.core.v3.TypedExtensionConfig")


@dataclass(frozen=True, slots=True)
class TypeTraits:
    """How the protocol treats one resource type.

    ``wildcard``: an empty first subscription means "everything" (listeners, clusters and scoped routes only).
    ``full_state``: a state-of-the-world response must carry every subscribed resource, because
    absence means deletion; for the other types a response may be partial and deletes nothing.
    """

    type_url: TypeUrl
    short_name: str
    wildcard: bool = False
    full_state: bool = False


# The tuple's order is the order in which additions are sent (make before break); removals go in reverse.
TYPES: Final = (
    TypeTraits(CLUSTER, "cds", wildcard=True, full_state=True),
    TypeTraits(ENDPOINT, "eds"),
    TypeTraits(LISTENER, "lds", wildcard=True, full_state=True),
    TypeTraits(ROUTE, "rds"),
    # Envoy asks for all scopes, without names, and drops those that a response leaves out.
    TypeTraits(SCOPED_ROUTE, "srds", wildcard=True, full_state=True),
    TypeTraits(VIRTUAL_HOST, "vhds"),
    TypeTraits(SECRET, "sds"),
    TypeTraits(RUNTIME, "rtds"),
    TypeTraits(EXTENSION_CONFIG, "ecds"),
)
TRAITS: Final = {traits.type_url: traits for traits in TYPES}
PUSH_ORDER: Final = {traits.type_url: position for position, traits in enumerate(TYPES)}
_SHORT_NAMES: Final[dict[str, str]] = {traits.type_url: traits.short_name for traits in TYPES}
BY_SHORT_NAME: Final = {traits.short_name: traits.type_url for traits in TYPES}


def short_name(type_url: str) -> str:
    """The short label of a type ("cds"), or the URL itself for a type that is not Envoy's."""
    return _SHORT_NAMES.get(type_url, type_url)
