"""Where nobody gives proxies the certificates for mesh TLS that rules ask for, and where rules hide each other."""

from collections.abc import Iterator

from translator.analysis.codes import NO_CERTIFICATES, SUPERSEDED_POLICY, UNUSED_TLS
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.model.ingress import ended_tls
from translator.model.peer_authentication import MutualTLS, is_superseded, peer_rules
from translator.objects.destination_rule import ClientTLSMode, ClientTLSSettings, DestinationRule, TrafficPolicy
from translator.objects.gateway import IstioGateway, ServerTLSMode
from translator.objects.registry import key_of
from translator.objects.security import PeerAuthentication, PeerMode
from translator.objects.sidecar import Sidecar

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


def analyze_ingress_tls(db: Database, source: Sidecar) -> Iterator[Diagnostic]:
    """Find ports whose own TLS the mesh's takes the place of, as far as the Sidecar's own selector tells."""
    if not db.settings.issues_certificates:
        return
    selector = source.spec.workload_selector
    policy = peer_rules(db, source.metadata.namespace).policy_for(selector.labels if selector else {})
    for index, ingress in enumerate(source.spec.ingress):
        mode = policy.at(ingress.port.number)
        if ended_tls(ingress) and mode is not MutualTLS.DISABLE:
            reason = (
                f"has no effect on proxies with certificates of the mesh: the mode of mutual TLS at port "
                f"{ingress.port.number} is {mode}; a PeerAuthentication has to switch it off there"
            )
            yield Diagnostic(Severity.WARNING, UNUSED_TLS, key_of(source), f"spec.ingress[{index}].tls", reason)


def _client_settings(path: str, policy: TrafficPolicy | None) -> Iterator[tuple[str, ClientTLSSettings]]:
    if policy is None:
        return
    if policy.tls is not None:
        yield f"{path}.tls", policy.tls
    for index, each in enumerate(policy.port_level_settings):
        if each.tls is not None:
            yield f"{path}.portLevelSettings[{index}].tls", each.tls
