"""The TLS contexts of mesh TLS, for the proxy that is called and for the one that calls.

Both fetch their certificate and the mesh's roots over the stream that brings everything else.
"""

from typing import Final

import msgspec
from envoy.config.core.v3 import base_pb2, config_source_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from google.protobuf.duration_pb2 import Duration

from translator.database import Database
from translator.engine import query
from translator.model.host import is_ip
from translator.objects.mesh_config import MeshTLSConfig, MeshTLSProtocol
from translator.pb import boolean, pack

TLS_SOCKET: Final = "envoy.transport_sockets.tls"
MESH_CERTIFICATE: Final = "default"
MESH_ROOTS: Final = "ROOTCA"

# Istio also offers "istio-peer-exchange", which asks for a metadata exchange that stock Envoy does not know.
SERVER_ALPN: Final = ("h2", "http/1.1")

# What clients offer: the first name is what filter chains of Istio and of Fairlead tell mesh TLS by, and what it holds.
# The last one is what servers agree to.
TCP_ALPN: Final = ("istio",)
HTTP1_ALPN: Final = ("istio-http/1.1", "istio", "http/1.1")
HTTP2_ALPN: Final = ("istio-h2", "istio", "h2")

# Istio's list: forward secrecy first, AES-GCM only.
_CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)

_Context = tls_pb2.DownstreamTlsContext | tls_pb2.UpstreamTlsContext
_Matcher = common_pb2.SubjectAltNameMatcher


class MeshTLS(msgspec.Struct, frozen=True, kw_only=True):
    """Mesh-wide settings of TLS between proxies. ``trust_domains`` are those whose identities are accepted."""

    trust_domains: tuple[str, ...] = ("cluster.local",)
    limits: MeshTLSConfig = MeshTLSConfig()


class MeshClientTLS(msgspec.Struct, frozen=True, kw_only=True):
    """What a client demands of servers and tells them.

    ``names``: the server has to have one of these; without any, an identity of the ``trust_domains`` will do.
    """

    sni: str
    names: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ("cluster.local",)
    alpn: tuple[str, ...] = TCP_ALPN


@query
def mesh_tls(db: Database) -> MeshTLS:
    """The settings in force. Istio: aliases, and the trust domains of further roots, are as good as one's own."""
    mesh = db.settings.mesh
    of_roots = (domain for root in mesh.ca_certificates for domain in root.trust_domains)
    domains = dict.fromkeys((mesh.trust_domain, *mesh.trust_domain_aliases, *of_roots))
    return MeshTLS(
        trust_domains=tuple(domain for domain in domains if domain), limits=mesh.mesh_mtls or MeshTLSConfig()
    )


def build_mesh_server(mesh: MeshTLS) -> base_pb2.TransportSocket:
    """The transport socket that demands a certificate of the mesh from clients."""
    context = tls_pb2.DownstreamTlsContext(require_client_certificate=boolean(True))  # noqa: FBT003 - a wrapped value
    common, limits = context.common_tls_context, mesh.limits
    common.alpn_protocols.extend(SERVER_ALPN)
    common.tls_params.tls_minimum_protocol_version = (
        common_pb2.TlsParameters.TLSv1_3
        if limits.min_protocol_version is MeshTLSProtocol.TLSV1_3
        else common_pb2.TlsParameters.TLSv1_2
    )
    common.tls_params.tls_maximum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    common.tls_params.cipher_suites.extend(limits.cipher_suites or _CIPHERS)
    common.tls_params.ecdh_curves.extend(limits.ecdh_curves)
    _show_and_verify(common, _domain_matchers(mesh.trust_domains))
    return build_tls_socket(context)


def build_mesh_client(client: MeshClientTLS) -> base_pb2.TransportSocket:
    """The transport socket that shows the proxy's own certificate and demands one of the mesh from the server."""
    context = tls_pb2.UpstreamTlsContext(sni=client.sni)
    common = context.common_tls_context
    common.alpn_protocols.extend(client.alpn)
    common.tls_params.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_2
    common.tls_params.tls_maximum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    matchers = [matcher for name in client.names for matcher in build_name_matchers(name)]
    _show_and_verify(common, matchers or _domain_matchers(client.trust_domains))
    return build_tls_socket(context)


def build_secret_reference(name: str, *, waits: bool = False) -> secret_pb2.SdsSecretConfig:
    """A secret that is fetched over the same stream as everything else.

    ``waits``: what needs it is not put in force without it. Otherwise it is after a while, so that one secret that
    nobody has does not hold up everything beside it; handshakes fail then.
    """
    source = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
    )
    if waits:
        source.initial_fetch_timeout.CopyFrom(Duration())
    return secret_pb2.SdsSecretConfig(name=name, sds_config=source)


def build_name_matchers(name: str) -> list[_Matcher]:
    """What a certificate has to have for a name that a rule demands: any of these.

    Istio says of a name without scheme that is no address neither whether it is a DNS name nor whether it is a URI.
    """
    kinds = [_Matcher.IP_ADDRESS] if is_ip(name) else [_Matcher.DNS, _Matcher.URI]
    matchers = [_Matcher(san_type=kind) for kind in ([_Matcher.URI] if "://" in name else kinds)]
    for matcher in matchers:
        matcher.matcher.exact = name
    return matchers


def build_tls_socket(context: _Context) -> base_pb2.TransportSocket:
    """The transport socket of a context."""
    return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=pack(context))


def _show_and_verify(common: tls_pb2.CommonTlsContext, matchers: list[_Matcher]) -> None:
    common.tls_certificate_sds_secret_configs.append(build_secret_reference(MESH_CERTIFICATE, waits=True))
    validation = common.combined_validation_context
    validation.default_validation_context.match_typed_subject_alt_names.extend(matchers)
    validation.validation_context_sds_secret_config.CopyFrom(build_secret_reference(MESH_ROOTS, waits=True))


def _domain_matchers(trust_domains: tuple[str, ...]) -> list[_Matcher]:
    """Any identity of these domains."""
    matchers = [_Matcher(san_type=_Matcher.URI) for _ in trust_domains]
    for matcher, domain in zip(matchers, trust_domains, strict=True):
        matcher.matcher.prefix = f"spiffe://{domain}/"
    return matchers
