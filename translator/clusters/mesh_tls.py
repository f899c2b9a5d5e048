"""Mesh TLS to a cluster: by a DestinationRule's word, or by itself wherever both ends can."""

import msgspec
from envoy.config.cluster.v3.cluster_pb2 import Cluster

from translator.clusters.discovery import Client, Discovery
from translator.clusters.http_protocol import HttpVersion
from translator.clusters.transport_socket import build_plain_socket, build_socket
from translator.database import Database
from translator.endpoints.mesh_tls import speaks_mesh_tls
from translator.engine import query
from translator.model.endpoint import service_accounts, service_endpoints
from translator.model.peer_authentication import MutualTLS, peer_rules
from translator.model.protocol import Protocol
from translator.model.service import Service, ServicePort
from translator.model.workload import TLS_MODE_ISTIO
from translator.names import subset_sni
from translator.objects.destination_rule import ClientTLSMode, ClientTLSSettings, ProxyProtocol
from translator.security.mesh_tls import (
    HTTP1_ALPN,
    HTTP2_ALPN,
    TCP_ALPN,
    MeshClientTLS,
    build_mesh_client,
    mesh_tls,
)


class MeshOrigination(msgspec.Struct, frozen=True, kw_only=True):
    """Mesh TLS to a cluster. ``by_endpoint``: to those that are known to speak it, plain text to the others."""

    sni: str
    names: tuple[str, ...]
    trust_domains: tuple[str, ...]
    by_endpoint: bool


def select_mesh_origination(
    db: Database, client: Client, target: tuple[Service, ServicePort, str], tls: ClientTLSSettings | None
) -> MeshOrigination | None:
    """Mesh TLS to a service port or a subset of it, None where there is none. ``tls`` is what rules say.

    Istio: a rule decides; without one, services of the mesh are reached by mesh TLS unless their namespace has it
    switched off. Workloads that have it switched off are told apart by what is known of their endpoints.
    """
    owner, port, subset = target
    if not client.has_identity:
        return None
    if tls is None:
        if owner.mesh_external or not db.settings.mesh.enable_auto_mtls:
            return None
        if peer_rules(db, owner.namespace).mode is MutualTLS.DISABLE:
            return None
    elif tls.mode is not ClientTLSMode.ISTIO_MUTUAL:
        return None
    return MeshOrigination(
        sni=(tls.sni if tls else "") or subset_sni(port.number, subset, owner.hostname),
        names=(tls.subject_alt_names if tls else ()) or _identities(db, owner),
        trust_domains=mesh_tls(db).trust_domains,
        by_endpoint=tls is None,
    )


def limit_to_discovery(
    db: Database, origination: MeshOrigination | None, discovery: Discovery, target: tuple[Service, ServicePort]
) -> MeshOrigination | None:
    """What remains of it where Envoy does not know endpoints one by one.

    Envoy tells no endpoints of an ORIGINAL_DST cluster apart, so all of them have to speak mesh TLS, or none is
    spoken to in it. What is resolved as it is asked for has no sidecar that anybody knows of.
    """
    if origination is None or not origination.by_endpoint:
        return origination
    if discovery is Discovery.DYNAMIC_FORWARD:
        return None
    if discovery is not Discovery.ORIGINAL_DST:
        return origination
    owner, port = target
    if not _all_speak_mesh_tls(db, owner.namespace, owner.hostname, port.name):
        return None
    return msgspec.structs.replace(origination, by_endpoint=False)


def apply_mesh_tls(
    cluster: Cluster, origination: MeshOrigination, protocol: ProxyProtocol | None, alpn: tuple[str, ...]
) -> None:
    """Set the sockets of a cluster under construction."""
    client = MeshClientTLS(
        sni=origination.sni, names=origination.names, trust_domains=origination.trust_domains, alpn=alpn
    )
    socket = build_socket(build_mesh_client(client), protocol)
    if not origination.by_endpoint:
        cluster.transport_socket.CopyFrom(socket)
        return
    secured = cluster.transport_socket_matches.add(name="tlsMode-istio", transport_socket=socket)
    secured.match.fields["tlsMode"].string_value = TLS_MODE_ISTIO
    plain = build_socket(build_plain_socket(), protocol)
    # Envoy: the first match counts, and an empty one is for everything else.
    cluster.transport_socket_matches.add(name="tlsMode-disabled", transport_socket=plain).match.SetInParent()


def choose_alpn(protocol: Protocol, version: HttpVersion) -> tuple[str, ...]:
    """What is offered to servers, which may tell by it whether they get HTTP.

    Istio decides connection by connection. Here what is declared decides, and what turns out to be HTTP on its way
    is offered as such by the connection manager.
    """
    if not protocol.is_http or version is HttpVersion.DOWNSTREAM:
        return TCP_ALPN
    return HTTP2_ALPN if version is HttpVersion.HTTP2 else HTTP1_ALPN


def _identities(db: Database, owner: Service) -> tuple[str, ...]:
    """Who may answer for a service, under every name that the trust domain goes by."""
    mesh = db.settings.mesh
    own = f"spiffe://{mesh.trust_domain}/"
    found = {*service_accounts(db, owner.namespace, owner.hostname), *owner.subject_alt_names}
    aliases = [f"spiffe://{alias}/" for alias in mesh.trust_domain_aliases if alias]
    same = {alias + name.removeprefix(own) for name in found if name.startswith(own) for alias in aliases}
    return tuple(sorted(found | same))


@query
def _all_speak_mesh_tls(db: Database, namespace: str, hostname: str, port_name: str) -> bool:
    """Whether a service port has endpoints and all of them speak mesh TLS; changes far less often than they do."""
    rules = peer_rules(db, namespace)
    known = [each for each in service_endpoints(db, namespace, hostname) if each.port_name == port_name]
    return bool(known) and all(speaks_mesh_tls(each, rules) for each in known)
