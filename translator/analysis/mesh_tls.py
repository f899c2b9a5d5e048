"""Rules that ask for mesh TLS where nobody gives proxies the certificates for it, and rules that hide each other."""

from collections.abc import Iterator

from translator.analysis.codes import NO_CERTIFICATES, SUPERSEDED_POLICY
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.model.peer_authentication import is_superseded
from translator.objects.destination_rule import ClientTLSMode, ClientTLSSettings, DestinationRule, TrafficPolicy
from translator.objects.gateway import IstioGateway, ServerTLSMode
from translator.objects.registry import key_of
from translator.objects.security import PeerAuthentication, PeerMode

_WITHOUT = "proxies get no certificates of the mesh from this control plane:"


def analyze_client_mode(db: Database, source: DestinationRule) -> Iterator[Diagnostic]:
    """Find rules by which clients would speak mesh TLS, if they could."""
    if db.settings.issues_certificates:
        return
    policies = [("spec.trafficPolicy", source.spec.traffic_policy)]
    policies += [
        (f"spec.subsets[{index}].trafficPolicy", each.traffic_policy) for index, each in enumerate(source.spec.subsets)
    ]
    for path, policy in policies:
        for at, tls in _client_settings(path, policy):
            if tls.mode is ClientTLSMode.ISTIO_MUTUAL:
                reason = f"{_WITHOUT} connections are made in plain text"
                yield Diagnostic(Severity.WARNING, NO_CERTIFICATES, key_of(source), f"{at}.mode", reason)


def analyze_server_mode(db: Database, source: IstioGateway) -> Iterator[Diagnostic]:
    """Find servers of gateways that cannot show a certificate of the mesh."""
    if db.settings.issues_certificates:
        return
    for index, server in enumerate(source.spec.servers):
        if server.tls is not None and server.tls.mode is ServerTLSMode.ISTIO_MUTUAL:
            path, reason = f"spec.servers[{index}].tls.mode", f"{_WITHOUT} connections to this server fail"
            yield Diagnostic(Severity.WARNING, NO_CERTIFICATES, key_of(source), path, reason)


def analyze_peer_mode(db: Database, source: PeerAuthentication) -> Iterator[Diagnostic]:
    """Find policies that would demand mutual TLS, and those that an older one for the same scope hides."""
    settings = {"spec.mtls": source.spec.mtls}
    settings |= {f"spec.portLevelMtls[{number}]": each for number, each in (source.spec.port_level_mtls or {}).items()}
    for path, each in settings.items():
        if each and each.mode is PeerMode.STRICT and not db.settings.issues_certificates:
            reason = f"{_WITHOUT} workloads go on to accept everybody"
            yield Diagnostic(Severity.WARNING, NO_CERTIFICATES, key_of(source), f"{path}.mode", reason)
    if is_superseded(db, source):
        reason = (
            f"an older PeerAuthentication holds for the whole of {source.metadata.namespace}: this one has no effect"
        )
        yield Diagnostic(Severity.WARNING, SUPERSEDED_POLICY, key_of(source), "spec", reason)


def _client_settings(path: str, policy: TrafficPolicy | None) -> Iterator[tuple[str, ClientTLSSettings]]:
    if policy is None:
        return
    if policy.tls is not None:
        yield f"{path}.tls", policy.tls
    for index, each in enumerate(policy.port_level_settings):
        if each.tls is not None:
            yield f"{path}.portLevelSettings[{index}].tls", each.tls
