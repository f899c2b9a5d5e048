"""Decides which View a connecting Envoy is served from: the application's side of ``xds.discovery.Discovery``."""

from typing import TYPE_CHECKING

import msgspec
from google.protobuf.message import DecodeError

from fairlead.authentication.principal import Principal
from fairlead.ca.error import AuthorityError
from fairlead.proxies import Proxies
from fairlead.pusher import Pusher
from translator.model.proxy import NodeError, Proxy, parse_node
from translator.translator import Translator
from translator.view import View
from xds.client import Client
from xds.errors import Code, StreamRejected

if TYPE_CHECKING:
    from fairlead.trust import MeshTrust


class MeshDiscovery:
    """Binds proxies to Views. Closed until the first load is complete: an Envoy drops what it has for nothing."""

    def __init__(
        self, translator: Translator, proxies: Proxies, pusher: Pusher, trust: "MeshTrust | None" = None
    ) -> None:
        """Give certificates to those proxies that ``trust`` vouches for, to none without."""
        self.is_open = False
        self._trust = trust
        self._translator = translator
        self._proxies = proxies
        self._pusher = pusher

    async def attach(self, client: Client) -> View:
        """The View of a client, built by the time this returns. Raises StreamRejected."""
        if not self.is_open:
            raise StreamRejected(Code.UNAVAILABLE, "the configuration is still being read for the first time")
        proxy = _proxy_of(client)
        principal = self._trust.principal_of(client, proxy, self._translator.db) if self._trust else None
        binding = self._translator.bind(msgspec.structs.replace(proxy, has_identity=principal is not None))
        self._proxies.add(client, binding)
        try:
            if self._trust is not None and principal is not None:
                self._enrol(self._trust, client, principal)
            await self._pusher.ready(binding)
        except BaseException:
            self.detach(client)
            raise
        return binding.view

    def detach(self, client: Client) -> None:
        """Let go of what only this client needed."""
        if self._trust is not None:
            self._trust.enrolment.release(client)
        binding = self._proxies.remove(client)
        if binding is not None:
            self._pusher.leave(binding)

    def _enrol(self, trust: "MeshTrust", client: Client, principal: Principal) -> None:
        """A proxy that cannot get its certificate is not served at all: it may have one from before."""
        try:
            trust.enrolment.enrol(client, principal)
        except AuthorityError as error:
            raise StreamRejected(Code.UNAVAILABLE, f"no certificate can be issued: {error}") from error


def _proxy_of(client: Client) -> Proxy:
    try:
        return parse_node(client.node.message)
    except NodeError as error:
        raise StreamRejected(Code.INVALID_ARGUMENT, str(error)) from error
    except (DecodeError, ValueError) as error:
        # Numbers that JSON does not know, text that is no UTF-8, ...
        raise StreamRejected(Code.INVALID_ARGUMENT, f"the node of this client cannot be read: {error}") from error
