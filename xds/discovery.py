"""What the server asks of the application: which View a client is served from."""

from typing import Protocol

from xds.client import Client
from xds.view import View


class Discovery(Protocol):
    """Implemented by the application, or by ``xds.cache.SnapshotCache``."""

    async def attach(self, client: Client) -> View:
        """The View for a client that has just sent its first request; its ``node`` tells who it is.

        Raise StreamRejected to refuse the stream, with UNAVAILABLE for as long as there is nothing to serve
        yet: a proxy that got an empty configuration would drop the one that it has.
        """

    def detach(self, client: Client) -> None:
        """The client's stream has ended. Called once for every client that was attached."""
