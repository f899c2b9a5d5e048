"""Which filter chains a workload's port has, by its protocol and by what mutual TLS is asked of clients."""

import enum
from typing import Final, NamedTuple

from translator.listeners.chain_match import MESH_APPLICATIONS, MESH_HTTP, RAW_BUFFER, TLS
from translator.model.peer_authentication import MutualTLS
from translator.model.protocol import Protocol


class PortClass(enum.StrEnum):
    """How much is known of what a port speaks; pass-through traffic to unknown ports is AUTO."""

    HTTP = "http"
    TCP = "tcp"
    AUTO = "auto"


class InboundForm(NamedTuple):
    """The form of one chain. ``applications`` is empty for any; ``detected`` are those of plaintext HTTP."""

    http: bool
    transport: str
    applications: tuple[str, ...] = ()
    detected: bool = False
    mutual: bool = False


_ISTIO_TCP: Final = ("istio-peer-exchange", "istio")
# Whose servers may speak first, or whose clients may begin with what could become a request line, and wait. Clients of
# the others begin with TLS, with a whole line, or with a byte that no request begins with.
_BYTES: Final = frozenset({Protocol.TCP, Protocol.MYSQL, Protocol.MONGO})

_PLAIN_HTTP: Final = InboundForm(http=True, transport=RAW_BUFFER)
_PLAIN_TCP: Final = InboundForm(http=False, transport=RAW_BUFFER)
_DETECTED_HTTP: Final = InboundForm(http=True, transport=RAW_BUFFER, detected=True)
_OPAQUE_TLS: Final = InboundForm(http=False, transport=TLS)
_MUTUAL_HTTP: Final = InboundForm(http=True, transport=TLS, mutual=True)
_MUTUAL_TCP: Final = InboundForm(http=False, transport=TLS, mutual=True)

# Istio's table. Where clients may come with or without mutual TLS, its ALPN tells it from their own TLS.
_FORMS: Final[dict[tuple[PortClass, MutualTLS], tuple[InboundForm, ...]]] = {
    (PortClass.HTTP, MutualTLS.STRICT): (_MUTUAL_HTTP,),
    (PortClass.HTTP, MutualTLS.PERMISSIVE): (_MUTUAL_HTTP._replace(applications=MESH_APPLICATIONS), _PLAIN_HTTP),
    (PortClass.HTTP, MutualTLS.DISABLE): (_PLAIN_HTTP,),
    (PortClass.TCP, MutualTLS.STRICT): (_MUTUAL_TCP,),
    (PortClass.TCP, MutualTLS.PERMISSIVE): (
        _MUTUAL_TCP._replace(applications=MESH_APPLICATIONS),
        _OPAQUE_TLS,
        _PLAIN_TCP,
    ),
    (PortClass.TCP, MutualTLS.DISABLE): (_PLAIN_TCP,),
    (PortClass.AUTO, MutualTLS.STRICT): (_MUTUAL_HTTP._replace(applications=MESH_HTTP), _MUTUAL_TCP),
    (PortClass.AUTO, MutualTLS.PERMISSIVE): (
        _MUTUAL_HTTP._replace(applications=MESH_HTTP),
        _DETECTED_HTTP,
        _MUTUAL_TCP._replace(applications=_ISTIO_TCP),
        _PLAIN_TCP,
        _OPAQUE_TLS,
    ),
    (PortClass.AUTO, MutualTLS.DISABLE): (_DETECTED_HTTP, _PLAIN_TCP),
}


def inbound_forms(protocol: Protocol, mode: MutualTLS) -> tuple[InboundForm, ...]:
    """The chains of a port of this protocol."""
    return _FORMS[_port_class(protocol), mode]


def forms_behind_tls(protocol: Protocol) -> tuple[InboundForm, ...]:
    """The chains of a port at which TLS ends that is not the mesh's: Istio takes nothing else there."""
    return (InboundForm(http=protocol.is_http, transport=TLS),)


def bears_http_inspection(protocol: Protocol, mode: MutualTLS) -> bool:
    """Whether looking for HTTP on a port of this protocol keeps nobody waiting. With strict TLS clients begin."""
    return mode is MutualTLS.STRICT or protocol not in _BYTES


def _port_class(protocol: Protocol) -> PortClass:
    if protocol.is_http:
        return PortClass.HTTP
    return PortClass.AUTO if protocol is Protocol.AUTO else PortClass.TCP
