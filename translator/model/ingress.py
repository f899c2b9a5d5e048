"""Ports of a Sidecar's ingress: what is spoken behind the TLS that the sidecar itself ends."""

from typing import Final

from translator.model.protocol import Protocol, parse_protocol
from translator.objects.gateway import ServerTLSMode, ServerTLSSettings
from translator.objects.sidecar import IngressListener

_ENDING: Final = (ServerTLSMode.SIMPLE, ServerTLSMode.MUTUAL, ServerTLSMode.OPTIONAL_MUTUAL)


def ended_tls(ingress: IngressListener) -> ServerTLSSettings | None:
    """The TLS of clients that ends at the sidecar; None where they speak it with the application, or not at all."""
    return ingress.tls if ingress.tls is not None and ingress.tls.mode in _ENDING else None


def ingress_protocol(ingress: IngressListener) -> Protocol:
    """What the application is spoken to."""
    declared = parse_protocol(ingress.port.protocol)
    return declared.terminated if ended_tls(ingress) else declared
