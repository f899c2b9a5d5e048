"""Which endpoints are reached by mesh TLS: what Envoy is told of them, so that it takes the right socket."""

from typing import Final

import msgspec
from envoy.config.core.v3.base_pb2 import Metadata

from translator.database import Database
from translator.model.endpoint import Endpoint
from translator.model.peer_authentication import MutualTLS, NamespacePeerRules, peer_rules
from translator.model.workload import TLS_MODE_DISABLED, TLS_MODE_ISTIO
from translator.objects.destination_rule import ClientTLSMode, ClientTLSSettings

# Envoy compares what stands under this name with the matches of a cluster's sockets.
_MATCHED: Final = "envoy.transport_socket_match"


def speaks_mesh_tls(endpoint: Endpoint, rules: NamespacePeerRules) -> bool:
    """Whether an endpoint's proxy takes mesh TLS: it has one that does, and nothing switches it off at this port."""
    if endpoint.workload.tls_mode != TLS_MODE_ISTIO:
        return False
    return rules.policy_for(endpoint.workload.labels).at(endpoint.port) is not MutualTLS.DISABLE


def mark_tls_modes(
    db: Database, endpoints: tuple[Endpoint, ...], tls: ClientTLSSettings | None
) -> tuple[Endpoint, ...]:
    """The endpoints with what is told of them. ``tls`` is what rules say of the cluster.

    Istio: where a rule says what TLS is spoken, that goes for every endpoint; otherwise their own policies do.
    """
    if tls is not None and tls.mode is not ClientTLSMode.ISTIO_MUTUAL:
        return endpoints
    return tuple(
        msgspec.structs.replace(each, tls_mode=each.workload.tls_mode)
        if each.workload.tls_mode not in ("", TLS_MODE_DISABLED)
        and (tls is not None or speaks_mesh_tls(each, peer_rules(db, each.workload.namespace)))
        else each
        for each in endpoints
    )


def build_tls_metadata(mode: str) -> Metadata:
    """The metadata of an endpoint of this mode."""
    metadata = Metadata()
    metadata.filter_metadata[_MATCHED].fields["tlsMode"].string_value = mode
    return metadata
