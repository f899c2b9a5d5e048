"""How a proxy connects to its control plane over TLS, and proves who it is."""

from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
from envoy_data_plane.envoy.config.core.v3 import (
    ApiVersion,
    ConfigSource,
    DataSource,
    PathConfigSource,
    TransportSocket,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.extensions.filters.http.credential_injector.v3 import CredentialInjector
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import UpstreamCodec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.http.injected_credentials.generic.v3 import Generic
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    SdsSecretConfig,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsCertificate,
    TlsParameters,
    TlsParametersTlsProtocol,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any as ProtoAny

from fairlead.address import Address

_TOKEN: Final = "control-plane-token"  # noqa: S105 - a name


class ControlPlaneTLS(msgspec.Struct, frozen=True, kw_only=True):
    """TLS to the control plane, by files on the proxy's machine.

    ``roots`` verify the control plane, which has to have the ``name`` (default: the host that is connected to). The
    proxy proves who it is by the token that ``token_secret`` leads to, or by ``certificate`` and ``key``.
    """

    roots: str
    name: str = ""
    token_secret: str = ""
    certificate: str = ""
    key: str = ""


def build_control_plane_socket(tls: ControlPlaneTLS, xds: Address) -> TransportSocket:
    """The transport socket of the control plane's cluster."""
    name = tls.name or xds.host
    by_address = Address(name, 0).is_ip
    kind = SubjectAltNameMatcherSanType.IP_ADDRESS if by_address else SubjectAltNameMatcherSanType.DNS
    matcher = SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))
    own = [
        TlsCertificate(certificate_chain=DataSource(filename=tls.certificate), private_key=DataSource(filename=tls.key))
    ]
    context = UpstreamTlsContext(
        sni="" if by_address else name,
        common_tls_context=CommonTlsContext(
            tls_params=TlsParameters(tls_minimum_protocol_version=TlsParametersTlsProtocol.TLSv1_2),
            alpn_protocols=["h2"],
            tls_certificates=own if tls.certificate else [],
            validation_context=CertificateValidationContext(
                trusted_ca=DataSource(filename=tls.roots), match_typed_subject_alt_names=[matcher]
            ),
        ),
    )
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=ProtoAny.pack(context))


def build_token_filters(secret_file: str) -> list[HttpFilter]:
    """The filters that put the token into every request to the control plane.

    Envoy: a file is read again when it changes only if it is fetched like any other secret, hence the detour.
    """
    source = ConfigSource(path_config_source=PathConfigSource(path=secret_file), resource_api_version=ApiVersion.V3)
    generic = Generic(credential=SdsSecretConfig(name=_TOKEN, sds_config=source), header_value_prefix="Bearer ")
    injector = CredentialInjector(
        overwrite=True,
        credential=TypedExtensionConfig(
            name="envoy.http.injected_credentials.generic", typed_config=ProtoAny.pack(generic)
        ),
    )
    return [
        HttpFilter(name="envoy.filters.http.credential_injector", typed_config=ProtoAny.pack(injector)),
        HttpFilter(name="envoy.filters.http.upstream_codec", typed_config=ProtoAny.pack(UpstreamCodec())),
    ]


def build_token_secret(token: str) -> dict[str, Any]:
    """The content of the secret file for a token file, in proto JSON.

    Kubernetes rotates mounted files by moving a directory, which is what has to be watched.
    """
    directory = str(PurePosixPath(token).parent)
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": _TOKEN,
        "generic_secret": {"secret": {"filename": token, "watched_directory": {"path": directory}}},
    }
    return {"resources": [secret]}
