"""Istio's Gateway (networking.istio.io): the ports and hosts that a gateway proxy serves."""

import enum

from translator.objects.meta import MeshObject, Message, Uint32


class ServerPort(Message, frozen=True, kw_only=True):
    """The port of a server."""

    number: Uint32
    protocol: str
    name: str
    target_port: Uint32 = 0


class ServerTLSMode(enum.StrEnum):
    """How a server treats TLS."""

    PASSTHROUGH = "PASSTHROUGH"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    AUTO_PASSTHROUGH = "AUTO_PASSTHROUGH"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    OPTIONAL_MUTUAL = "OPTIONAL_MUTUAL"


class TLSProtocol(enum.StrEnum):
    """A version of TLS."""

    TLS_AUTO = "TLS_AUTO"
    TLSV1_0 = "TLSV1_0"
    TLSV1_1 = "TLSV1_1"
    TLSV1_2 = "TLSV1_2"
    TLSV1_3 = "TLSV1_3"


class TLSCertificate(Message, frozen=True, kw_only=True):
    """Files of one of several certificates."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTLSSettings(Message, frozen=True, kw_only=True):
    """TLS of the connections to a server."""

    https_redirect: bool = False
    mode: ServerTLSMode = ServerTLSMode.PASSTHROUGH
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    ca_cert_credential_name: str = ""
    tls_certificates: tuple[TLSCertificate, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    min_protocol_version: TLSProtocol = TLSProtocol.TLS_AUTO
    max_protocol_version: TLSProtocol = TLSProtocol.TLS_AUTO
    cipher_suites: tuple[str, ...] = ()
    insecure_skip_verify: bool | None = None


class Server(Message, frozen=True, kw_only=True):
    """One port with the hosts that it serves."""

    port: ServerPort
    bind: str = ""
    hosts: tuple[str, ...] = ()
    tls: ServerTLSSettings | None = None
    default_endpoint: str = ""
    name: str = ""


class IstioGatewaySpec(Message, frozen=True, kw_only=True):
    """A Gateway's specification; without a selector it applies to every gateway proxy."""

    servers: tuple[Server, ...] = ()
    selector: dict[str, str] = {}


class IstioGateway(MeshObject, frozen=True, kw_only=True):
    """The servers of the gateway proxies that the selector chooses."""

    spec: IstioGatewaySpec = IstioGatewaySpec()
