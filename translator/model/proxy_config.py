"""The settings of proxies that shape what they are served: as far as read, the mesh's default ProxyConfig."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from translator.model.connection_settings import NO_SETTINGS, ConnectionSettings
from translator.objects.meta import Record
from translator.shape import decode_custom


class ForwardedClientCert(enum.StrEnum):
    """What becomes of the header x-forwarded-client-cert."""

    UNDEFINED = "UNDEFINED"
    SANITIZE = "SANITIZE"
    FORWARD_ONLY = "FORWARD_ONLY"
    APPEND_FORWARD = "APPEND_FORWARD"
    SANITIZE_SET = "SANITIZE_SET"
    ALWAYS_FORWARD_ONLY = "ALWAYS_FORWARD_ONLY"


class Switch(Record, frozen=True, kw_only=True):
    """Something that proxies do by themselves unless it is disabled, or only if it is enabled."""

    disabled: bool = False
    enabled: bool = False


class ServerHeader(Record, frozen=True, kw_only=True):
    """The response header ``server``; an empty value is the usual one."""

    disabled: bool = False
    value: str = ""


class ClientCertDetails(Record, frozen=True, kw_only=True):
    """What is told of the client's certificate."""

    subject: bool = True
    cert: bool = False
    chain: bool = False
    dns: bool = True
    uri: bool = True


class ProxyHeaders(Record, frozen=True, kw_only=True):
    """The headers that proxies set by themselves."""

    forwarded_client_cert: ForwardedClientCert = ForwardedClientCert.UNDEFINED
    set_current_client_cert_details: ClientCertDetails = ClientCertDetails()
    request_id: Switch = Switch()
    server: ServerHeader = ServerHeader()
    envoy_debug_headers: Switch = Switch()
    preserve_http1_header_case: bool = False
    x_forwarded_port: Switch = Switch()


class GatewayTopology(Record, frozen=True, kw_only=True):
    """What stands in front of gateways; ``proxy_protocol`` is None unless connections begin with that header."""

    num_trusted_proxies: int = 0
    forward_client_cert_details: ForwardedClientCert = ForwardedClientCert.UNDEFINED
    proxy_protocol: dict[str, object] | None = None


class ProxySettings(Record, frozen=True, kw_only=True):
    """What is read of a ProxyConfig."""

    proxy_headers: ProxyHeaders = ProxyHeaders()
    gateway_topology: GatewayTopology = GatewayTopology()
    connection_settings: ConnectionSettings = NO_SETTINGS


DEFAULT_SETTINGS: Final = ProxySettings()


def read_proxy_settings(config: Mapping[str, object]) -> ProxySettings:
    """The settings in a ProxyConfig; one that cannot be read counts as empty."""
    try:
        return msgspec.convert(config, ProxySettings, dec_hook=decode_custom)
    except msgspec.ValidationError:
        return DEFAULT_SETTINGS
