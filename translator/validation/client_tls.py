"""Rules for TLS toward a host."""

from typing import Final

from translator.objects.destination_rule import ClientTLSMode, ClientTLSSettings
from translator.validation.report import Report

_CONFIG_MAP: Final = "configmap://"
_BY_CREDENTIAL: Final = frozenset({ClientTLSMode.SIMPLE, ClientTLSMode.MUTUAL})


def check_client_tls(report: Report, path: str, tls: ClientTLSSettings | None, namespace: str) -> None:
    """Rule: key material comes from one source, and is complete; ``namespace`` is that of the object."""
    if tls is None:
        return
    _check_config_map(report, f"{path}.credentialName", tls.credential_name, namespace)
    if tls.insecure_skip_verify:
        _check_unverified(report, path, tls)
    files = {
        "clientCertificate": tls.client_certificate,
        "privateKey": tls.private_key,
        "caCertificates": tls.ca_certificates,
        "caCrl": tls.ca_crl,
    }
    if tls.mode in _BY_CREDENTIAL and tls.credential_name:
        for field, value in files.items():
            if value:
                report.error(f"{path}.{field}", "cannot be combined with credentialName")
    elif tls.mode is ClientTLSMode.MUTUAL:
        for field in ("clientCertificate", "privateKey"):
            if not files[field]:
                report.error(f"{path}.{field}", "required for mode MUTUAL without credentialName")


def _check_unverified(report: Report, path: str, tls: ClientTLSSettings) -> None:
    given = [("caCertificates", tls.ca_certificates), ("subjectAltNames", tls.subject_alt_names)]
    if tls.mode is ClientTLSMode.SIMPLE:
        given.append(("credentialName", tls.credential_name))
    if tls.mode in _BY_CREDENTIAL:
        for field, value in given:
            if value:
                report.error(f"{path}.{field}", "has no meaning with insecureSkipVerify")


def _check_config_map(report: Report, path: str, credential_name: str, namespace: str) -> None:
    if not credential_name.startswith(_CONFIG_MAP):
        return
    home, slash, name = credential_name.removeprefix(_CONFIG_MAP).rpartition("/")
    if not name or (slash and home != namespace):
        report.error(path, f"{credential_name!r} does not name a ConfigMap of namespace {namespace!r}")
