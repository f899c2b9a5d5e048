"""The server side of mesh TLS: both ends show certificates of the mesh."""

from typing import Final

from envoy.config.core.v3 import base_pb2, config_source_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from translator.listeners.settings import ListenerSettings
from translator.objects.mesh_config import MeshTLSProtocol
from translator.pb import boolean, pack

TLS_SOCKET: Final = "envoy.transport_sockets.tls"
MESH_CERTIFICATE: Final = "default"
MESH_ROOTS: Final = "ROOTCA"

# Istio also offers "istio-peer-exchange", which asks for a metadata exchange that stock Envoy does not know.
ALPN: Final = ("h2", "http/1.1")

# Istio's list: forward secrecy first, AES-GCM only.
_CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)


def build_mutual_tls(settings: ListenerSettings) -> base_pb2.TransportSocket:
    """The transport socket that demands a certificate of the mesh from clients."""
    context = tls_pb2.DownstreamTlsContext(require_client_certificate=boolean(True))  # noqa: FBT003 - a wrapped value
    common, mesh = context.common_tls_context, settings.mesh_tls
    common.alpn_protocols.extend(ALPN)
    common.tls_params.tls_minimum_protocol_version = (
        common_pb2.TlsParameters.TLSv1_3
        if mesh.min_protocol_version is MeshTLSProtocol.TLSV1_3
        else common_pb2.TlsParameters.TLSv1_2
    )
    common.tls_params.tls_maximum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    common.tls_params.cipher_suites.extend(mesh.cipher_suites or _CIPHERS)
    common.tls_params.ecdh_curves.extend(mesh.ecdh_curves)
    common.tls_certificate_sds_secret_configs.append(build_secret_reference(MESH_CERTIFICATE))
    validation = common.combined_validation_context
    validation.validation_context_sds_secret_config.CopyFrom(build_secret_reference(MESH_ROOTS))
    for domain in settings.trust_domains:
        name = validation.default_validation_context.match_typed_subject_alt_names.add()
        name.san_type = common_pb2.SubjectAltNameMatcher.URI
        name.matcher.prefix = f"spiffe://{domain}/"
    return build_tls_socket(context)


def build_secret_reference(name: str) -> secret_pb2.SdsSecretConfig:
    """A secret that is fetched over the same stream as everything else."""
    source = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
    )
    return secret_pb2.SdsSecretConfig(name=name, sds_config=source)


def build_tls_socket(context: tls_pb2.DownstreamTlsContext) -> base_pb2.TransportSocket:
    """The transport socket of a context."""
    return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=pack(context))
