"""Rules for TLS of the ports that a gateway or a sidecar serves."""

import re
from typing import Final

from translator.objects.gateway import ServerTLSMode, ServerTLSSettings, TLSProtocol
from translator.validation.report import Report, count_set, indexed

# What BoringSSL can negotiate up to TLS 1.2; the suites of TLS 1.3 cannot be chosen.
CIPHER_SUITES: Final = frozenset(
    {
        "AES128-GCM-SHA256",
        "AES128-SHA",
        "AES256-GCM-SHA384",
        "AES256-SHA",
        "DES-CBC3-SHA",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-SHA",
        "ECDHE-RSA-CHACHA20-POLY1305",
    }
)
_TERMINATING: Final = frozenset({ServerTLSMode.SIMPLE, ServerTLSMode.MUTUAL, ServerTLSMode.OPTIONAL_MUTUAL})
_PASSING: Final = frozenset({ServerTLSMode.PASSTHROUGH, ServerTLSMode.AUTO_PASSTHROUGH})
_WEAK: Final = frozenset({TLSProtocol.TLSV1_0, TLSProtocol.TLSV1_1})
_VERSIONS: Final = list(TLSProtocol)
# Envoy: a base64 SHA-256, and a hexadecimal one with or without colons.
_SPKI: Final = re.compile(r"[A-Za-z0-9+/]{43}=")
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){31}")


def check_server_tls(report: Report, path: str, tls: ServerTLSSettings) -> None:
    """Rule: certificates come from one source, fit the mode, and are complete."""
    _check_versions(report, path, tls)
    _check_cipher_suites(report, path, tls)
    _check_pins(report, path, tls)
    if tls.mode is ServerTLSMode.ISTIO_MUTUAL:
        for field in _given_certificates(tls):
            report.error(f"{path}.{field}", "mode ISTIO_MUTUAL uses the certificates of the mesh")
        return
    if tls.mode in _PASSING:
        for field in _given_certificates(tls):
            report.warn(f"{path}.{field}", f"has no effect in mode {tls.mode}")
    _check_sources(report, path, tls)
    if tls.mode in _TERMINATING and not (tls.credential_name or tls.credential_names):
        _check_files(report, path, tls)
    if tls.ca_crl and tls.credential_name:
        report.error(f"{path}.caCrl", "belongs into the Secret that credentialName names")
    if tls.ca_crl and tls.mode is ServerTLSMode.SIMPLE:
        report.error(f"{path}.caCrl", "has no meaning in mode SIMPLE")


def has_only_redirect(tls: ServerTLSSettings) -> bool:
    """Whether nothing but ``httpsRedirect`` is set: all that a plain-text server may say about TLS."""
    return tls in (ServerTLSSettings(), ServerTLSSettings(https_redirect=True))


def _given_certificates(tls: ServerTLSSettings) -> list[str]:
    fields = {
        "serverCertificate": tls.server_certificate,
        "privateKey": tls.private_key,
        "caCertificates": tls.ca_certificates,
        "caCrl": tls.ca_crl,
        "credentialName": tls.credential_name,
        "credentialNames": tls.credential_names,
        "caCertCredentialName": tls.ca_cert_credential_name,
        "tlsCertificates": tls.tls_certificates,
    }
    return [field for field, value in fields.items() if value]


def _check_sources(report: Report, path: str, tls: ServerTLSSettings) -> None:
    by_file = bool(tls.server_certificate and tls.private_key)
    if count_set(tls.credential_name, tls.credential_names, tls.tls_certificates) + by_file > 1:
        sources = "credentialName, credentialNames, tlsCertificates and serverCertificate with privateKey"
        report.error(path, f"only one of {sources} can be set")
    for field, given in (("credentialNames", tls.credential_names), ("tlsCertificates", tls.tls_certificates)):
        if len(given) > 2:
            report.error(f"{path}.{field}", "at most two certificates (RSA and ECDSA) can be given")


def _check_files(report: Report, path: str, tls: ServerTLSSettings) -> None:
    needed = f"required for mode {tls.mode} without credentialName"
    for entry, certificate in indexed(f"{path}.tlsCertificates", tls.tls_certificates):
        if not certificate.server_certificate:
            report.error(f"{entry}.serverCertificate", needed)
        if not certificate.private_key:
            report.error(f"{entry}.privateKey", needed)
    if not tls.tls_certificates:
        if not tls.server_certificate:
            report.error(f"{path}.serverCertificate", needed)
        if not tls.private_key:
            report.error(f"{path}.privateKey", needed)
    if tls.mode is not ServerTLSMode.SIMPLE and not (tls.ca_certificates or tls.ca_cert_credential_name):
        report.error(f"{path}.caCertificates", needed)


def _check_versions(report: Report, path: str, tls: ServerTLSSettings) -> None:
    low, high = tls.min_protocol_version, tls.max_protocol_version
    if TLSProtocol.TLS_AUTO not in (low, high) and _VERSIONS.index(low) > _VERSIONS.index(high):
        report.error(f"{path}.minProtocolVersion", f"{low} is above maxProtocolVersion {high}")
    if low in _WEAK and not tls.cipher_suites:
        report.warn(f"{path}.minProtocolVersion", f"{low} needs cipherSuites: none of the default ones fits")


def _check_cipher_suites(report: Report, path: str, tls: ServerTLSSettings) -> None:
    seen: set[str] = set()
    for entry, suite in indexed(f"{path}.cipherSuites", tls.cipher_suites):
        if suite not in CIPHER_SUITES:
            report.warn(entry, f"unknown cipher suite {suite!r} is left out")
        elif suite in seen:
            report.warn(entry, f"{suite!r} is given twice")
        seen.add(suite)


def _check_pins(report: Report, path: str, tls: ServerTLSSettings) -> None:
    for entry, pin in indexed(f"{path}.verifyCertificateSpki", tls.verify_certificate_spki):
        if not _SPKI.fullmatch(pin):
            report.error(entry, f"{pin!r} is not a base64-encoded SHA-256")
    for entry, pin in indexed(f"{path}.verifyCertificateHash", tls.verify_certificate_hash):
        if not _HASH.fullmatch(pin):
            report.error(entry, f"{pin!r} is not a SHA-256 in hexadecimal form")
