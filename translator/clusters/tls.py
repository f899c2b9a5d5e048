"""TLS origination: the client side of TLS to a cluster, as a DestinationRule asks for it."""

from typing import Final

import msgspec
from envoy.config.core.v3.base_pb2 import DataSource, TransportSocket
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsCertificate,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, UpstreamTlsContext

from translator.clusters.defaults import MeshDefaults
from translator.model.proxy import Role
from translator.objects.destination_rule import ClientTLSMode, ClientTLSSettings
from translator.objects.mesh_config import MeshTLSConfig
from translator.pb import pack

_CONFIG_MAP: Final = "configmap://"


class Origination(msgspec.Struct, frozen=True, kw_only=True):
    """TLS that the proxy puts around connections to a host outside of the mesh's own TLS.

    ``settings`` are complete in names and roots of trust; ``auto_san``: the certificate has to be for the requested
    host.
    """

    settings: ClientTLSSettings
    auto_sni: bool
    auto_san: bool
    limits: MeshTLSConfig | None = None


def select_origination(
    settings: ClientTLSSettings | None,
    role: Role,
    *,
    selects_proxy: bool,
    service_names: tuple[str, ...] = (),
    defaults: MeshDefaults,
) -> Origination | None:
    """What a rule's TLS settings come to for a client; None is plain text.

    ``selects_proxy``: the rule has a workload selector. ``service_names``: the names that a ServiceEntry allows.
    Istio: a credential by name is only for proxies that may read secrets, which are gateways and selected ones;
    MUTUAL without a certificate is no TLS.
    """
    if settings is None or settings.mode not in (ClientTLSMode.SIMPLE, ClientTLSMode.MUTUAL):
        return None
    credential = settings.credential_name
    if credential:
        if role is Role.SIDECAR and not selects_proxy and not credential.startswith(_CONFIG_MAP):
            return None
    elif settings.mode is ClientTLSMode.MUTUAL and not (settings.client_certificate and settings.private_key):
        return None
    auto_sni = not settings.sni
    return Origination(
        settings=msgspec.structs.replace(
            settings,
            subject_alt_names=settings.subject_alt_names or service_names,
            ca_certificates=settings.ca_certificates or defaults.system_roots,
        ),
        auto_sni=auto_sni,
        auto_san=auto_sni and not settings.subject_alt_names and not settings.insecure_skip_verify,
        limits=defaults.tls_defaults,
    )


def build_tls_socket(origination: Origination, *, http2: bool) -> TransportSocket:
    """The transport socket for every endpoint of the cluster."""
    settings = origination.settings
    context = UpstreamTlsContext(sni=settings.sni)
    common = context.common_tls_context
    if http2:
        common.alpn_protocols.append("h2")
    if origination.limits is not None:
        common.tls_params.cipher_suites.extend(origination.limits.cipher_suites)
        common.tls_params.ecdh_curves.extend(origination.limits.ecdh_curves)
    if settings.mode is ClientTLSMode.MUTUAL:
        _present_certificate(common, settings)
    if not settings.insecure_skip_verify:
        _validate_server(common, settings)
    common.SetInParent()
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


def _present_certificate(common: CommonTlsContext, settings: ClientTLSSettings) -> None:
    if settings.credential_name:
        common.tls_certificate_sds_secret_configs.append(_secret(settings.credential_name))
        return
    common.tls_certificates.append(
        TlsCertificate(
            certificate_chain=DataSource(filename=settings.client_certificate),
            private_key=DataSource(filename=settings.private_key),
        )
    )


def _validate_server(common: CommonTlsContext, settings: ClientTLSSettings) -> None:
    validation = CertificateValidationContext(
        match_typed_subject_alt_names=[_san_matcher(name) for name in settings.subject_alt_names]
    )
    if settings.ca_crl:
        validation.crl.filename = settings.ca_crl
    if settings.credential_name:
        combined = common.combined_validation_context
        combined.default_validation_context.CopyFrom(validation)
        combined.validation_context_sds_secret_config.CopyFrom(_secret(_root_credential(settings.credential_name)))
        return
    validation.trusted_ca.filename = settings.ca_certificates
    common.validation_context.CopyFrom(validation)


def _root_credential(credential: str) -> str:
    """Istio: the roots of trust are in a secret of their own; a ConfigMap holds nothing else."""
    return credential if credential.startswith(_CONFIG_MAP) else f"{credential}-cacert"


def _secret(credential: str) -> SdsSecretConfig:
    name = credential if "://" in credential else f"kubernetes://{credential}"
    source = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
    return SdsSecretConfig(name=name, sds_config=source)


def _san_matcher(name: str) -> SubjectAltNameMatcher:
    kind = SubjectAltNameMatcher.SanType.URI if "://" in name else SubjectAltNameMatcher.SanType.DNS
    matcher = SubjectAltNameMatcher(san_type=kind)
    matcher.matcher.exact = name
    return matcher
