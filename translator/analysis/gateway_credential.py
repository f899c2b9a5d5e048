"""Credentials of Gateways: Secrets that are missing, in the wrong place, or not usable."""

from collections.abc import Iterator

from translator.analysis.codes import MISSING_REFERENCE
from translator.analysis.completeness import missing_severity
from translator.analysis.selected_pods import selected_namespaces
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.indexes import SECRET_NAMESPACES
from translator.listeners.server_tls import server_secrets
from translator.objects.gateway import IstioGateway
from translator.objects.registry import Kind, key_of
from translator.secrets.name import parse_secret_name
from translator.secrets.secret import secret_fault


def analyze_credentials(db: Database, source: IstioGateway) -> Iterator[Diagnostic]:
    """Find what keeps servers from being served: their hosts refuse connections, those of others do not."""
    key, namespaces = key_of(source), sorted(selected_namespaces(db, source.spec.selector))
    for index, server in enumerate(source.spec.servers):
        for name in server_secrets(server.tls) if server.tls else ():
            for severity, fault in _faults(db, name, namespaces):
                reason = f"{fault}: connections to {', '.join(server.hosts)} fail"
                yield Diagnostic(severity, MISSING_REFERENCE, key, f"spec.servers[{index}].tls", reason)


def _faults(db: Database, name: str, namespaces: list[str]) -> Iterator[tuple[Severity, str]]:
    """Why a secret cannot be served, in each namespace where a proxy needs it."""
    for namespace in namespaces:
        fault = secret_fault(db, namespace, name)
        if fault:
            yield Severity.ERROR, fault
    if namespaces:
        return
    # Nothing is known of the proxies: only what is nowhere is surely missing.
    wanted = parse_secret_name(name, "")
    if wanted and wanted.objects[0].kind is Kind.SECRET:
        names = [candidate.name for candidate in wanted.objects]
        if not any(db.members(SECRET_NAMESPACES, each) for each in names):
            yield missing_severity(db), f"there is no Secret {' or '.join(names)} in any namespace"
