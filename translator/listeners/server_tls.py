"""The server side of TLS at gateways, as the servers of Gateways ask for it."""

from collections.abc import Iterable, Iterator
from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from translator.model.host import is_ip
from translator.objects.gateway import ServerTLSMode, ServerTLSSettings, TLSProtocol
from translator.objects.mesh_config import MeshTLSConfig, MeshTLSProtocol
from translator.pb import boolean
from translator.security.mesh_tls import (
    MESH_CERTIFICATE,
    MESH_ROOTS,
    SERVER_ALPN,
    build_secret_reference,
    build_tls_socket,
)
from translator.validation.server_tls import CIPHER_SUITES

_HTTP3: Final = "h3"
_VERIFYING: Final = (ServerTLSMode.MUTUAL, ServerTLSMode.OPTIONAL_MUTUAL, ServerTLSMode.ISTIO_MUTUAL)
_DEMANDING: Final = (ServerTLSMode.MUTUAL, ServerTLSMode.ISTIO_MUTUAL)
_VERSIONS: Final = {
    TLSProtocol.TLS_AUTO: common_pb2.TlsParameters.TLS_AUTO,
    TLSProtocol.TLSV1_0: common_pb2.TlsParameters.TLSv1_0,
    TLSProtocol.TLSV1_1: common_pb2.TlsParameters.TLSv1_1,
    TLSProtocol.TLSV1_2: common_pb2.TlsParameters.TLSv1_2,
    TLSProtocol.TLSV1_3: common_pb2.TlsParameters.TLSv1_3,
}


def build_server_tls(
    tls: ServerTLSSettings, defaults: MeshTLSConfig, *, has_identity: bool = False
) -> base_pb2.TransportSocket:
    """The transport socket of a server that ends TLS; ``defaults`` are the mesh's limits.

    ``has_identity``: the proxy gets a certificate of the mesh.
    """
    context = tls_pb2.DownstreamTlsContext(require_client_certificate=boolean(tls.mode in _DEMANDING))
    common = context.common_tls_context
    common.alpn_protocols.extend(SERVER_ALPN)
    if tls.mode is ServerTLSMode.ISTIO_MUTUAL:
        common.tls_certificate_sds_secret_configs.append(_reference(MESH_CERTIFICATE, has_identity))
    else:
        _present_certificates(common, tls, has_identity)
        _set_parameters(common.tls_params, tls, defaults)
    if tls.mode in _VERIFYING:
        _verify_clients(common, tls, has_identity)
    return build_tls_socket(context)


def build_quic_context(tls: ServerTLSSettings, *, has_identity: bool = False) -> tls_pb2.DownstreamTlsContext:
    """The TLS of a server inside QUIC, which has one version of it and ciphers of its own."""
    context = tls_pb2.DownstreamTlsContext(require_client_certificate=boolean(tls.mode in _DEMANDING))
    context.common_tls_context.alpn_protocols.append(_HTTP3)
    _present_certificates(context.common_tls_context, tls, has_identity)
    if tls.mode in _VERIFYING:
        _verify_clients(context.common_tls_context, tls, has_identity)
    return context


def server_secrets(tls: ServerTLSSettings) -> tuple[str, ...]:
    """The secrets that a server asks for by name, those of the proxy's own identity aside."""
    names = (*map(secret_name, _credentials(tls)), _roots_secret(tls) if tls.mode in _VERIFYING else "")
    return tuple(name for name in dict.fromkeys(names) if name not in ("", MESH_CERTIFICATE, MESH_ROOTS))


def secret_name(credential: str) -> str:
    """The secret behind a credential's name: a Kubernetes Secret unless the name says something else."""
    if credential.startswith("builtin://"):
        return MESH_CERTIFICATE
    credential = credential.removeprefix("sds://")
    return credential if "://" in credential else f"kubernetes://{credential}"


def _credentials(tls: ServerTLSSettings) -> tuple[str, ...]:
    return tls.credential_names or ((tls.credential_name,) if tls.credential_name else ())


def _reference(name: str, has_identity: bool) -> secret_pb2.SdsSecretConfig:  # noqa: FBT001 - the value is the whole meaning
    """A secret that a server asks for.

    Envoy subscribes to a secret once for every way of asking, and of two subscriptions over one stream only the first
    is answered: those of the mesh are asked for as clusters do.
    """
    return build_secret_reference(name, waits=has_identity and name in {MESH_CERTIFICATE, MESH_ROOTS})


def _present_certificates(
    common: tls_pb2.CommonTlsContext,
    tls: ServerTLSSettings,
    has_identity: bool,  # noqa: FBT001
) -> None:
    """Istio: credentials, else files, else the certificate of the proxy itself."""
    files = list(_certificate_files(tls))
    names = [secret_name(each) for each in _credentials(tls)]
    if not names and not files:
        names = [MESH_CERTIFICATE]
    if names:
        common.tls_certificate_sds_secret_configs.extend(_reference(each, has_identity) for each in names)
        return
    for certificate, key in files:
        common.tls_certificates.append(
            common_pb2.TlsCertificate(
                certificate_chain=base_pb2.DataSource(filename=certificate),
                private_key=base_pb2.DataSource(filename=key),
                watched_directory=_directory(certificate),
            )
        )


def _certificate_files(tls: ServerTLSSettings) -> Iterator[tuple[str, str]]:
    if tls.server_certificate:
        yield tls.server_certificate, tls.private_key
    for each in tls.tls_certificates:
        yield each.server_certificate, each.private_key


def _verify_clients(
    common: tls_pb2.CommonTlsContext,
    tls: ServerTLSSettings,
    has_identity: bool,  # noqa: FBT001
) -> None:
    validation = common_pb2.CertificateValidationContext(
        match_typed_subject_alt_names=[_san_matcher(name) for name in tls.subject_alt_names],
        verify_certificate_spki=tls.verify_certificate_spki,
        verify_certificate_hash=tls.verify_certificate_hash,
    )
    if tls.ca_crl:
        validation.crl.filename = tls.ca_crl
    if tls.insecure_skip_verify:
        validation.trust_chain_verification = common_pb2.CertificateValidationContext.ACCEPT_UNTRUSTED
    roots = _roots_secret(tls)
    if roots:
        combined = common.combined_validation_context
        combined.default_validation_context.CopyFrom(validation)
        combined.validation_context_sds_secret_config.CopyFrom(_reference(roots, has_identity))
    else:
        authorities = _authority_file(tls)
        validation.trusted_ca.filename = authorities
        validation.watched_directory.CopyFrom(_directory(authorities))
        common.validation_context.CopyFrom(validation)


def _roots_secret(tls: ServerTLSSettings) -> str:
    """The secret with the roots that clients are verified by; empty when they are in a file.

    Istio: beside the first credential, unless a credential for the roots is named.
    """
    credentials = _credentials(tls)
    if tls.mode is not ServerTLSMode.ISTIO_MUTUAL:
        if tls.ca_cert_credential_name:
            return secret_name(tls.ca_cert_credential_name)
        if credentials:
            return f"{secret_name(credentials[0])}-cacert"
        if _authority_file(tls):
            return ""
    return MESH_ROOTS


def _authority_file(tls: ServerTLSSettings) -> str:
    files = (tls.ca_certificates, *(each.ca_certificates for each in tls.tls_certificates))
    return next((each for each in files if each), "")


def _set_parameters(parameters: common_pb2.TlsParameters, tls: ServerTLSSettings, defaults: MeshTLSConfig) -> None:
    if defaults.min_protocol_version is MeshTLSProtocol.TLSV1_3:
        parameters.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    elif defaults.min_protocol_version is not MeshTLSProtocol.TLS_AUTO:
        parameters.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_2
    if tls.min_protocol_version is not TLSProtocol.TLS_AUTO:
        parameters.tls_minimum_protocol_version = _VERSIONS[tls.min_protocol_version]
    if tls.max_protocol_version is not TLSProtocol.TLS_AUTO:
        parameters.tls_maximum_protocol_version = _VERSIONS[tls.max_protocol_version]
    parameters.cipher_suites.extend(_known_ciphers(tls.cipher_suites or defaults.cipher_suites))
    parameters.ecdh_curves.extend(defaults.ecdh_curves)


def _known_ciphers(names: Iterable[str]) -> list[str]:
    """Envoy refuses a listener that names a cipher suite which its TLS library does not know."""
    return [name for name in dict.fromkeys(names) if name in CIPHER_SUITES]


def _san_matcher(name: str) -> common_pb2.SubjectAltNameMatcher:
    matcher = common_pb2.SubjectAltNameMatcher(san_type=_san_type(name))
    matcher.matcher.exact = name
    return matcher


def _san_type(name: str) -> common_pb2.SubjectAltNameMatcher.SanType:
    if "://" in name:
        return common_pb2.SubjectAltNameMatcher.URI
    return common_pb2.SubjectAltNameMatcher.IP_ADDRESS if is_ip(name) else common_pb2.SubjectAltNameMatcher.DNS


def _directory(path: str) -> base_pb2.WatchedDirectory:
    """Kubernetes rotates mounted files by moving a directory, which is what has to be watched."""
    return base_pb2.WatchedDirectory(path=path.rpartition("/")[0] or "/")
