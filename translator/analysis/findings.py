"""All cross-object findings of one object, kept up to date like any other query."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from translator.analysis.destination import analyze_destinations, analyze_weights
from translator.analysis.destination_rule import analyze_destination_rule
from translator.analysis.gateway import analyze_selector, analyze_servers
from translator.analysis.gateway_api import analyze_kubernetes_gateway, analyze_kubernetes_route
from translator.analysis.gateway_binding import analyze_gateways
from translator.analysis.gateway_credential import analyze_credentials
from translator.analysis.host_conflict import analyze_host_conflicts
from translator.analysis.mesh_tls import (
    analyze_client_mode,
    analyze_ingress_tls,
    analyze_peer_mode,
    analyze_server_mode,
)
from translator.analysis.port_conflict import analyze_entry_ports
from translator.database import Database
from translator.diagnostics import Diagnostic
from translator.engine import query
from translator.objects.registry import Kind, ObjectKey

Analyzer = Callable[[Database, Any], Iterator[Diagnostic]]

# Each analyzer takes exactly objects of the kind that it stands under.
ANALYZERS: Final[Mapping[Kind, tuple[Analyzer, ...]]] = {
    Kind.VIRTUAL_SERVICE: (analyze_gateways, analyze_host_conflicts, analyze_destinations, analyze_weights),
    Kind.DESTINATION_RULE: (analyze_destination_rule, analyze_client_mode),
    Kind.ISTIO_GATEWAY: (analyze_selector, analyze_servers, analyze_credentials, analyze_server_mode),
    Kind.SERVICE_ENTRY: (analyze_entry_ports,),
    Kind.PEER_AUTHENTICATION: (analyze_peer_mode,),
    Kind.SIDECAR: (analyze_ingress_tls,),
    Kind.GATEWAY: (analyze_kubernetes_gateway,),
    Kind.HTTP_ROUTE: (analyze_kubernetes_route,),
}


@query
def object_findings(db: Database, key: ObjectKey) -> tuple[Diagnostic, ...]:
    """What is wrong with an object in view of all others; empty for kinds that nothing is known of."""
    source = db.row(key)
    if source is None:
        return ()
    found = (diagnostic for analyze in ANALYZERS.get(key.kind, ()) for diagnostic in analyze(db, source))
    return tuple(dict.fromkeys(found))
