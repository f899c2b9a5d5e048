"""Decides which View a connecting Envoy is served from: the application's side of ``xds.discovery.Discovery``."""

from google.protobuf.message import DecodeError

from fairlead.proxies import Proxies
from fairlead.pusher import Pusher
from translator.model.proxy import NodeError, Proxy, parse_node
from translator.translator import Translator
from translator.view import View
from xds.client import Client
from xds.errors import Code, StreamRejected


class MeshDiscovery:
    """Binds proxies to Views. Closed until the first load is complete: an Envoy drops what it has for nothing."""

    def __init__(self, translator: Translator, proxies: Proxies, pusher: Pusher) -> None:
        self.is_open = False
        self._translator = translator
        self._proxies = proxies
        self._pusher = pusher

    async def attach(self, client: Client) -> View:
        """The View of a client, built by the time this returns. Raises StreamRejected."""
        if not self.is_open:
            raise StreamRejected(Code.UNAVAILABLE, "the configuration is still being read for the first time")
        binding = self._translator.bind(_proxy_of(client))
        self._proxies.add(client, binding)
        try:
            await self._pusher.ready(binding)
        except BaseException:
            self.detach(client)
            raise
        return binding.view

    def detach(self, client: Client) -> None:
        """Let go of what only this client needed."""
        binding = self._proxies.remove(client)
        if binding is not None:
            binding.close()


def _proxy_of(client: Client) -> Proxy:
    try:
        return parse_node(client.node.message)
    except NodeError as error:
        raise StreamRejected(Code.INVALID_ARGUMENT, str(error)) from error
    except (DecodeError, ValueError) as error:
        # Numbers that JSON does not know, text that is no UTF-8, ...
        raise StreamRejected(Code.INVALID_ARGUMENT, f"the node of this client cannot be read: {error}") from error
