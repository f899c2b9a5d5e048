"""Whom the control plane trusts, and what it vouches for: CA, TLS of the xDS server, authentication, certificates."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from fairlead.address import Address
from fairlead.authentication.authenticator import MeshAuthenticator, account_of
from fairlead.authentication.key_set import KeysError, KeySetVerifier, load_key_set
from fairlead.authentication.principal import Principal, principal
from fairlead.authentication.token import TokenVerifier
from fairlead.ca.authority import Authority
from fairlead.ca.enrolment import Enrolment, Give
from fairlead.ca.error import AuthorityError
from fairlead.ca.folder import is_vacant, load_authority, open_authority
from fairlead.ca.server_certificate import ServerCertificate
from fairlead.sources.authority import watch_authority
from fairlead.trust_settings import TrustError, TrustSettings
from translator.database import Database
from translator.model.proxy import Proxy
from translator.model.workload import pod_key
from translator.objects.core import Pod
from translator.objects.mesh_config import MeshConfig
from xds.client import Client
from xds.errors import Code, StreamRejected
from xds.options import ServerOptions, Tls

# Tokens of Kubernetes are valid for an hour: whoever connected with one has to show another before that is over.
_TOKEN_AGE: Final = 1800.0


class AuthorityFolder(msgspec.Struct, frozen=True):
    """A CA, and where its files are."""

    path: Path
    authority: Authority


def open_folder(settings: TrustSettings, organization: str) -> AuthorityFolder | None:
    """The CA in its folder, None if there is to be none. Raises TrustError."""
    path = settings.ca_dir
    if path is None or (settings.ca_optional and is_vacant(path)):
        return None
    try:
        return AuthorityFolder(path, open_authority(path, organization))
    except AuthorityError as error:
        raise TrustError(str(error)) from error


class MeshTrust:
    """What the settings come to where there is a CA."""

    def __init__(
        self, settings: TrustSettings, folder: AuthorityFolder, xds: Address, secure: Address | None, give: Give
    ) -> None:
        """Serve on ``xds``, and over TLS on ``secure``; ``give`` serves resources to a single client."""
        # Whoever else knows whose token it is; set before the server is built.
        self.reviewer: TokenVerifier | None = None
        self.enrolment = Enrolment(folder.authority, settings.lifetime, give)
        self._settings = settings
        self._folder = folder.path
        self._hosts = tuple(address.host for address in (xds, secure) if address is not None)
        self._has_plaintext = not settings.tls
        self._authenticates = settings.tls or secure is not None
        # On a port that other machines reach, only those that proved who they are get anything.
        self._trusts_machine = not settings.tls and xds.is_loopback
        self._log: Any = structlog.get_logger("fairlead.ca")

    def server_options(self, plain: ServerOptions, root_namespace: str) -> ServerOptions:
        """How the xDS server is to listen where it speaks TLS, given how it does elsewhere.

        ``root_namespace`` is where the control plane is, if that is in Kubernetes.
        """
        by_token = self._settings.jwks is not None or self.reviewer is not None
        certificate = ServerCertificate(self.enrolment, self._names(root_namespace))
        return replace(
            plain,
            tls=Tls(certificate.load, require_client_certificate=not by_token),
            max_connection_age=_TOKEN_AGE if by_token else None,
        )

    def authenticator(self, mesh: Callable[[], MeshConfig]) -> MeshAuthenticator | None:
        """Who admits clients, None where everybody may connect. ``mesh`` is the MeshConfig in force.

        Raises TrustError.
        """
        if not self._authenticates:
            return None
        return MeshAuthenticator(mesh, self._token_verifier(), admits_anonymous=self._has_plaintext)

    def principal_of(self, client: Client, proxy: Proxy, db: Database) -> Principal | None:
        """For whom a proxy gets a certificate, None if for nobody. Raises StreamRejected if it cannot be who it says.

        What is known of its pod counts more than what it says of itself.
        """
        pod = db.store.get(pod_key(proxy.namespace, proxy.name))
        account = (pod.spec.service_account_name or "default") if isinstance(pod, Pod) else ""
        proved = client.identity if isinstance(client.identity, Principal) else None
        if proved is not None and account and account != proved.service_account:
            raise StreamRejected(Code.PERMISSION_DENIED, f"the pod {proxy.id} has another service account")
        if proxy.proxyless or (proved is None and not self._trusts_machine):
            return None
        account = proved.service_account if proved else account or account_of(client.node) or "default"
        return principal(db.settings.mesh.trust_domain, proxy.namespace, account)

    async def follow(self) -> None:
        """Follow changes of the CA's files, until cancelled."""
        async for _ in watch_authority(self._folder):
            try:
                found = load_authority(self._folder)
            except AuthorityError as error:
                self._log.warning("ca.refused", reason=str(error), effect="the CA stays as it is")
                continue
            current = self.enrolment.authority
            if (found.certificate, found.chain, found.roots) != (current.certificate, current.chain, current.roots):
                await self.enrolment.adopt(found)

    def _names(self, root_namespace: str) -> tuple[str, ...]:
        """By which names proxies may call: those that were told, those of the machine, and those in Kubernetes."""
        hosts = (host for host in self._hosts if host not in {"0.0.0.0", "::"})  # noqa: S104 - compared only
        service = tuple(f"{name}.{root_namespace}.svc" for name in ("fairlead", "istiod"))
        here = (*hosts, socket.gethostname(), "localhost", "127.0.0.1")
        return tuple(dict.fromkeys((*self._settings.names, *here, *service)))

    def _token_verifier(self) -> TokenVerifier | None:
        settings = self._settings
        if settings.jwks is None:
            return self.reviewer
        try:
            return KeySetVerifier(load_key_set(settings.jwks), settings.token_audience)
        except KeysError as error:
            raise TrustError(str(error)) from error
