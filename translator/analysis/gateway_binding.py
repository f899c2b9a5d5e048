"""VirtualServices and the Gateways that they bind to."""

from collections.abc import Iterator, Sequence

from translator.analysis.codes import HOST_NOT_OFFERED, MISSING_REFERENCE
from translator.analysis.completeness import missing_severity
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.indexes import MESH, qualify_gateway
from translator.model.host import normalize_host, overlaps, resolve_short_name
from translator.objects.gateway import IstioGateway
from translator.objects.registry import key_of
from translator.objects.virtual_service import (
    HTTPMatchRequest,
    L4MatchAttributes,
    TLSMatchAttributes,
    VirtualService,
)


def analyze_gateways(db: Database, source: VirtualService) -> Iterator[Diagnostic]:
    """Find Gateways that do not exist, and hosts that an existing one does not offer."""
    key = key_of(source)
    for path, name in _references(source):
        namespace, _, gateway_name = qualify_gateway(name, key.namespace).partition("/")
        gateway = db.get(IstioGateway, namespace, gateway_name)
        if gateway is None:
            reason = f"Gateway {namespace}/{gateway_name} does not exist: these rules apply nowhere"
            yield Diagnostic(missing_severity(db), MISSING_REFERENCE, key, path, reason)
        elif path.startswith("spec.gateways"):
            yield from _hosts_not_offered(db, source, gateway)


def _references(source: VirtualService) -> Iterator[tuple[str, str]]:
    """Every name of a Gateway with its path."""
    spec = source.spec
    for index, name in enumerate(spec.gateways):
        if name != MESH:
            yield f"spec.gateways[{index}]", name
    matches: list[tuple[str, Sequence[HTTPMatchRequest | TLSMatchAttributes | L4MatchAttributes]]] = []
    matches += [(f"spec.http[{position}]", rule.match) for position, rule in enumerate(spec.http)]
    matches += [(f"spec.tls[{position}]", rule.match) for position, rule in enumerate(spec.tls)]
    matches += [(f"spec.tcp[{position}]", rule.match) for position, rule in enumerate(spec.tcp)]
    for path, alternatives in matches:
        for number, match in enumerate(alternatives):
            for index, name in enumerate(match.gateways):
                if name != MESH:
                    yield f"{path}.match[{number}].gateways[{index}]", name


def _hosts_not_offered(db: Database, source: VirtualService, gateway: IstioGateway) -> Iterator[Diagnostic]:
    key = key_of(source)
    offered = list(_offered_hosts(gateway, key.namespace))
    for index, host in enumerate(source.spec.hosts):
        full = resolve_short_name(host, key.namespace, db.settings.domain_suffix)
        if not any(overlaps(each, full) or overlaps(each, normalize_host(host)) for each in offered):
            reason = f"{key_of(gateway)} offers no host that fits {host} (it offers: {', '.join(offered) or 'none'})"
            yield Diagnostic(Severity.WARNING, HOST_NOT_OFFERED, key, f"spec.hosts[{index}]", reason)


def _offered_hosts(gateway: IstioGateway, namespace: str) -> Iterator[str]:
    """The hosts that rules of a namespace may bind to. Istio: ``./host`` is for the Gateway's own namespace."""
    for server in gateway.spec.servers:
        for text in server.hosts:
            owner, slash, host = text.partition("/")
            wanted = gateway.metadata.namespace if owner == "." else owner
            if not slash or wanted in ("*", namespace):
                yield normalize_host(host if slash else text)
