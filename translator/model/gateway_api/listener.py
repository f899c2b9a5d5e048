"""The listeners of the Gateway API's gateways: which gateways are served at all, and as what servers."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from translator.database import Database
from translator.engine import query
from translator.indexes import KUBERNETES_GATEWAYS
from translator.model.gateway_api.grant import certificate_key, is_granted
from translator.model.host import kubernetes_host, normalize_host
from translator.model.proxy import Labels, ServiceTarget
from translator.objects.gateway import Server, ServerPort, ServerTLSMode, ServerTLSSettings
from translator.objects.gateway_api import (
    GATEWAY_NAME_LABEL,
    GatewayClass,
    KubernetesGateway,
    Listener,
    ListenerTLS,
    ListenerTLSMode,
    SecretReference,
)
from translator.objects.registry import ObjectKey

# The controller of Istio's classes: whoever moves from Istio keeps his gateways as they are.
CONTROLLER: Final = "istio.io/gateway-controller"
# Istio: the class that is there although nobody made it.
DEFAULT_CLASS: Final = "istio"
# Parts the names of what stands for a listener, or for its rules; no object's name has it.
SEPARATOR: Final = "~"

_TERMINATE_MODE: Final = "gateway.istio.io/tls-terminate-mode"
_CIPHER_SUITES: Final = "gateway.istio.io/tls-cipher-suites"
_TERMINATE_MODES: Final[Mapping[str, ServerTLSMode]] = {
    "MUTUAL": ServerTLSMode.MUTUAL,
    "OPTIONAL_MUTUAL": ServerTLSMode.OPTIONAL_MUTUAL,
    "ISTIO_MUTUAL": ServerTLSMode.ISTIO_MUTUAL,
}
_SECRET: Final = "kubernetes-gateway://"  # noqa: S105 - a scheme
_MOST_CERTIFICATES: Final = 2
_PROTOCOLS: Final = ("HTTP", "HTTPS", "TLS", "TCP")
# Protocols whose listeners can share a port, told apart by hostname.
_BY_HOSTNAME: Final = ("HTTP", "HTTPS", "TLS")


class ListenerFault(NamedTuple):
    """Why a listener is not served: the reason of the Gateway API's condition, and what to tell the user."""

    reason: str
    message: str


@query
def is_served(db: Database, class_name: str) -> bool:
    """Whether gateways of a class are ours."""
    found = db.get(GatewayClass, "", class_name)
    return class_name == DEFAULT_CLASS if found is None else found.spec.controller_name == CONTROLLER


@query
def served_gateway(db: Database, key: ObjectKey) -> KubernetesGateway | None:
    """The gateway under a key, if it is ours."""
    source = db.row(key)
    if isinstance(source, KubernetesGateway) and is_served(db, source.spec.gateway_class_name):
        return source
    return None


@query
def listener_faults(db: Database, key: ObjectKey) -> dict[str, ListenerFault]:
    """The listeners of a gateway that are not served, by name."""
    source = served_gateway(db, key)
    faults: dict[str, ListenerFault] = {}
    accepted: list[Listener] = []
    for listener in source.spec.listeners if source else ():
        fault = _conflict(accepted, listener) or _tls_fault(db, key, listener)
        if fault is None:
            accepted.append(listener)
        else:
            faults[listener.name] = fault
    return faults


@query
def served_listeners(db: Database, key: ObjectKey) -> tuple[Listener, ...]:
    """The listeners of a gateway that are served, in its order."""
    source = served_gateway(db, key)
    faults = listener_faults(db, key)
    return tuple(each for each in source.spec.listeners if each.name not in faults) if source else ()


def listener_key(gateway: ObjectKey, listener: str) -> ObjectKey:
    """Stands for one listener of a gateway, as an Istio Gateway of its own would: routes attach to listeners."""
    return ObjectKey(gateway.kind, gateway.namespace, f"{gateway.name}{SEPARATOR}{listener}")


def applicable_kubernetes_gateways(
    db: Database, namespace: str, labels: Labels, targets: tuple[ServiceTarget, ...]
) -> Iterator[tuple[str, ObjectKey]]:
    """The gateways that a gateway proxy serves, with their age. Reads through the caller's query.

    Istio: by the label with the gateway's name, in its own namespace; or, where the gateway's addresses name
    Services, those behind which the proxy is.
    """
    carried = dict(labels)
    hosts = {target.hostname for target in targets}
    for key in db.members(KUBERNETES_GATEWAYS, ""):
        source = served_gateway(db, key)
        if source is None:
            continue
        named = _service_hosts(source, db.settings.domain_suffix)
        is_own = namespace == key.namespace and carried.get(GATEWAY_NAME_LABEL) == key.name
        if hosts & named if named else is_own:
            yield source.metadata.creation_timestamp, key


def build_server(gateway: ObjectKey, listener: Listener) -> Server:
    """A listener as a server of an Istio Gateway. Which hosts may bind is decided where routes attach to it."""
    return Server(
        port=ServerPort(number=listener.port, protocol=listener.protocol, name=listener.name),
        hosts=(f"*/{hostname(listener)}",),
        tls=_build_tls(gateway, listener.tls) if listener.tls and listener.protocol != "HTTP" else None,
        name=listener.name,
    )


def hostname(listener: Listener) -> str:
    """The hostname of a listener, ``*`` for any."""
    return normalize_host(listener.hostname) or "*"


def _service_hosts(source: KubernetesGateway, domain_suffix: str) -> set[str]:
    addresses = [each.value for each in source.spec.addresses if each.type == "Hostname"]
    namespace = source.metadata.namespace
    return {value if "." in value else kubernetes_host(value, namespace, domain_suffix) for value in addresses}


def _conflict(accepted: list[Listener], listener: Listener) -> ListenerFault | None:
    """Gateway API: of listeners that cannot be told apart the first one is served."""
    if listener.protocol not in _PROTOCOLS:
        hint = f"; did you mean {listener.protocol.upper()}?" if listener.protocol.upper() in _PROTOCOLS else ""
        return ListenerFault("UnsupportedProtocol", f"protocol {listener.protocol!r} is not supported{hint}")
    for other in accepted:
        separable = other.protocol in _BY_HOSTNAME and listener.protocol in _BY_HOSTNAME
        if other.port != listener.port or (separable and hostname(other) != hostname(listener)):
            continue
        if separable and other.protocol == listener.protocol:
            return ListenerFault("HostnameConflict", f"listener {other.name} has the same port and hostname")
        message = f"listener {other.name} uses port {other.port} for {other.protocol}"
        return ListenerFault("ProtocolConflict", message)
    return None


def _tls_fault(db: Database, gateway: ObjectKey, listener: Listener) -> ListenerFault | None:
    tls = listener.tls
    if listener.protocol in ("HTTPS", "TLS") and tls is None:
        return ListenerFault("Invalid", f"protocol {listener.protocol} needs tls")
    if listener.protocol not in ("HTTPS", "TLS") or tls is None or tls.mode is ListenerTLSMode.PASSTHROUGH:
        return None
    references = tls.certificate_refs
    if not references and _terminate_mode(tls) is ServerTLSMode.ISTIO_MUTUAL:
        return None
    if not 1 <= len(references) <= _MOST_CERTIFICATES:
        return ListenerFault("InvalidCertificateRef", f"needs one or two certificateRefs, not {len(references)}")
    faults = (_certificate_fault(db, gateway, reference) for reference in references)
    return next((fault for fault in faults if fault is not None), None)


def _certificate_fault(db: Database, gateway: ObjectKey, reference: SecretReference) -> ListenerFault | None:
    """Permission first: whether a Secret exists is not told to those who may not refer to it."""
    key = certificate_key(gateway.namespace, reference.namespace, reference.name)
    if (reference.group, reference.kind) != ("", "Secret"):
        return ListenerFault("InvalidCertificateRef", f"{reference.kind} {reference.name} is not a Secret")
    if not is_granted(db, gateway, key):
        message = f"no ReferenceGrant in {key.namespace} lets Gateways of {gateway.namespace} refer to {key}"
        return ListenerFault("RefNotPermitted", message)
    return None


def _terminate_mode(tls: ListenerTLS) -> ServerTLSMode:
    return _TERMINATE_MODES.get(tls.options.get(_TERMINATE_MODE, ""), ServerTLSMode.SIMPLE)


def _build_tls(gateway: ObjectKey, tls: ListenerTLS) -> ServerTLSSettings:
    if tls.mode is ListenerTLSMode.PASSTHROUGH:
        return ServerTLSSettings(mode=ServerTLSMode.PASSTHROUGH)
    suites = tls.options.get(_CIPHER_SUITES, "")
    keys = [certificate_key(gateway.namespace, each.namespace, each.name) for each in tls.certificate_refs]
    return ServerTLSSettings(
        mode=_terminate_mode(tls),
        credential_names=tuple(f"{_SECRET}{key.namespace}/{key.name}" for key in keys),
        cipher_suites=tuple(each.strip() for each in suites.split(",") if each.strip()),
    )
