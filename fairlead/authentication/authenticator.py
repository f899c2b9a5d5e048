"""Admits clients of the xDS server by what they can prove."""

from collections.abc import Callable
from typing import Any, Final

import structlog

from fairlead.authentication.principal import Principal, parse_spiffe_id, principal
from fairlead.authentication.token import TokenRefusedError, TokenVerifier
from translator.model.proxy import NodeError, parse_node
from translator.objects.mesh_config import MeshConfig
from xds.auth import Identity, Peer
from xds.errors import Code, StreamRejected
from xds.node import Node

_SCHEME: Final = "bearer "
_NEEDED: Final = "this control plane serves only those who prove who they are, by a certificate of the mesh or a token"


class MeshAuthenticator:
    """The authenticator of a server with TLS. Nobody is admitted there without proof."""

    def __init__(
        self,
        mesh: Callable[[], MeshConfig],
        tokens: TokenVerifier | None = None,
        *,
        admits_anonymous: bool = False,
    ) -> None:
        """Accept identities of the mesh's trust domain; ``tokens`` verifies bearer tokens, None where none are taken.

        ``mesh`` gives the MeshConfig in force. ``admits_anonymous``: the server listens without TLS as well, where
        everybody is admitted and nobody has an identity.
        """
        self._mesh = mesh
        self._tokens = tokens
        self._admits_anonymous = admits_anonymous
        self._log: Any = structlog.get_logger("fairlead.authentication")

    async def authenticate(self, peer: Peer) -> Principal | None:
        """See ``xds.auth.Authenticator``: a verified certificate counts first, then a token. Only over TLS.

        A token in plain text proves nothing: others may have read it.
        """
        if not peer.is_encrypted:
            if self._admits_anonymous:
                return None
            raise StreamRejected(Code.UNAUTHENTICATED, _NEEDED)
        if peer.certificate is not None:
            return self._by_certificate(peer)
        header = peer.metadata.get("authorization")
        text = header if isinstance(header, str) else ""
        if self._tokens is None or text[: len(_SCHEME)].lower() != _SCHEME:
            raise StreamRejected(Code.UNAUTHENTICATED, _NEEDED)
        try:
            account = await self._tokens.verify(text[len(_SCHEME) :].strip())
        except TokenRefusedError as error:
            # What exactly is wrong is nobody's business but the operator's.
            self._log.warning("authentication.refused", peer=peer.address, reason=str(error))
            raise StreamRejected(Code.UNAUTHENTICATED, "this token is not accepted") from None
        return principal(self._mesh().trust_domain, account.namespace, account.name, account.pod)

    def authorize(self, identity: Identity | None, node: Node) -> None:
        """See ``xds.auth.Authenticator``: a proxy speaks for its own namespace and service account only."""
        if identity is None and self._admits_anonymous:
            return
        if not isinstance(identity, Principal):
            raise StreamRejected(Code.PERMISSION_DENIED, _NEEDED)
        try:
            proxy = parse_node(node.message)
        except (NodeError, ValueError) as error:
            raise StreamRejected(Code.INVALID_ARGUMENT, str(error)) from error
        fault = _disagreement(identity, proxy.namespace, account_of(node), proxy.name)
        if fault:
            raise StreamRejected(Code.PERMISSION_DENIED, f"{identity.name} may not speak for a proxy {fault}")

    def authorize_reader(self, identity: Identity | None) -> None:
        """See ``xds.auth.Authenticator``: proxies have no business with what others were sent."""
        del identity
        raise StreamRejected(Code.PERMISSION_DENIED, "the state of other clients is not shown here")

    def _by_certificate(self, peer: Peer) -> Principal:
        mesh = self._mesh()
        names = [found for name in peer.names if (found := parse_spiffe_id(name)) is not None]
        if len(names) != 1 or names[0][0] not in (mesh.trust_domain, *mesh.trust_domain_aliases):
            self._log.warning("authentication.refused", peer=peer.address, reason="no identity", names=peer.names)
            raise StreamRejected(Code.UNAUTHENTICATED, "this certificate is not one of a workload of the mesh")
        return names[0][1]


def account_of(node: Node) -> str:
    """The service account that a node says it acts for, empty if it does not say."""
    value = node.message.metadata.fields.get("SERVICE_ACCOUNT")
    return value.string_value if value is not None else ""


def _disagreement(identity: Principal, namespace: str, account: str, name: str) -> str:
    """In what a node says something else than its client proved; empty if in nothing."""
    if namespace != identity.namespace:
        return f"of the namespace {namespace}"
    if account and account != identity.service_account:
        return f"of the service account {account}"
    if identity.pod and name != identity.pod:
        return f"of the pod {name}"
    return ""
