"""The connected proxies: which stream belongs to which binding of the translator."""

from collections.abc import Iterator

from translator.translator import Binding
from xds.client import Client


class Proxies:
    """Both directions between streams and bindings. A proxy may have two streams while it restarts."""

    def __init__(self) -> None:
        self._bindings: dict[int, Binding] = {}
        self._clients: dict[Binding, Client] = {}

    def add(self, client: Client, binding: Binding) -> None:
        """A proxy is served from now on."""
        self._bindings[client.id] = binding
        self._clients[binding] = client

    def remove(self, client: Client) -> Binding | None:
        """A proxy left; returns its binding, for whoever has to close it."""
        binding = self._bindings.pop(client.id, None)
        if binding is not None:
            del self._clients[binding]
        return binding

    def client_of(self, binding: Binding) -> Client | None:
        """The stream that is served through a binding, if it still is."""
        return self._clients.get(binding)

    def binding_of(self, client: Client) -> Binding | None:
        """The binding through which a stream is served."""
        return self._bindings.get(client.id)

    def __iter__(self) -> Iterator[tuple[Client, Binding]]:
        """Every connected proxy, the longest connected first."""
        return ((client, binding) for binding, client in self._clients.items())

    def __len__(self) -> int:
        return len(self._clients)
