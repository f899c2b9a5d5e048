"""The Gateway API (gateway.networking.k8s.io): classes of gateways, gateways, and permissions between namespaces."""

import enum
from typing import Final

import msgspec

from translator.objects.meta import LabelSelector, MeshObject, Message, Record, Uint32

GROUP: Final = "gateway.networking.k8s.io"
# The label by which the pods of a gateway belong to it.
GATEWAY_NAME_LABEL: Final = "gateway.networking.k8s.io/gateway-name"


class GatewayClassSpec(Record, frozen=True, kw_only=True):
    """Who implements the gateways of a class."""

    controller_name: str = ""


class GatewayClass(MeshObject, frozen=True, kw_only=True):
    """A class of gateways."""

    spec: GatewayClassSpec = GatewayClassSpec()


class SecretReference(Message, frozen=True, kw_only=True):
    """An object with a certificate; without a namespace that of the object which refers to it."""

    group: str = ""
    kind: str = "Secret"
    name: str
    namespace: str = ""


class ListenerTLSMode(enum.StrEnum):
    """Who ends the TLS of the clients."""

    TERMINATE = "Terminate"
    PASSTHROUGH = "Passthrough"


class ListenerTLS(Message, frozen=True, kw_only=True):
    """TLS of the connections to a listener."""

    mode: ListenerTLSMode = ListenerTLSMode.TERMINATE
    certificate_refs: tuple[SecretReference, ...] = ()
    options: dict[str, str] = {}


class FromNamespaces(enum.StrEnum):
    """Which namespaces something may come from."""

    ALL = "All"
    SAME = "Same"
    SELECTOR = "Selector"
    NONE = "None"


class RouteNamespaces(Message, frozen=True, kw_only=True):
    """The namespaces whose routes may attach."""

    from_: FromNamespaces = msgspec.field(default=FromNamespaces.SAME, name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Message, frozen=True, kw_only=True):
    """A kind of route."""

    group: str = GROUP
    kind: str


class AllowedRoutes(Message, frozen=True, kw_only=True):
    """Which routes may attach to a listener; no kinds means all that its protocol can serve."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteGroupKind, ...] = ()


class Listener(Message, frozen=True, kw_only=True):
    """One port of a gateway for one hostname (empty: any)."""

    name: str
    hostname: str = ""
    port: Uint32
    protocol: str
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(Message, frozen=True, kw_only=True):
    """Where a gateway is to be reached, or by which Service it is."""

    type: str = "IPAddress"
    value: str = ""


class GatewaySpec(Record, frozen=True, kw_only=True):
    """What a gateway serves."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[GatewayAddress, ...] = ()


class KubernetesGateway(MeshObject, frozen=True, kw_only=True):
    """A gateway of the Gateway API, which has its name in common with Istio's kind."""

    spec: GatewaySpec = GatewaySpec()


class GrantFrom(Message, frozen=True, kw_only=True):
    """Who may refer."""

    group: str
    kind: str
    namespace: str


class GrantTo(Message, frozen=True, kw_only=True):
    """What may be referred to; without a name every object of the kind."""

    group: str
    kind: str
    name: str = ""


class ReferenceGrantSpec(Message, frozen=True, kw_only=True):
    """Every pair of ``from`` and ``to`` is allowed."""

    from_: tuple[GrantFrom, ...] = msgspec.field(default=(), name="from")
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(MeshObject, frozen=True, kw_only=True):
    """Lets objects of other namespaces refer to some of its own."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()
