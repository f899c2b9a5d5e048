"""What is sent to a proxy: connections, and the requests on them."""

from collections.abc import Mapping

import msgspec

HTTP_1: str = "http/1.1"
HTTP_2: str = "h2c"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection to an address. ``intercepted``: the client dialled the address, not the proxy.

    ``inbound`` means that it comes from outside to the workload of the proxy. ``sni`` and ``alpn`` are those of a
    TLS handshake.
    """

    address: str
    port: int
    source: str = ""
    intercepted: bool = False
    inbound: bool = False
    tls: bool = False
    sni: str = ""
    alpn: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request. ``headers`` without the pseudo headers, names in lower case, in order of sending.

    ``protocol`` is how it is recognised without TLS; ``claims`` are those of a token that was found valid.
    """

    host: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    protocol: str = HTTP_1
    claims: Mapping[str, object] = {}

    @property
    def path_only(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The parameters as they are written; of several with one name the first counts, as for Envoy."""
        found: dict[str, str] = {}
        for part in self.path.partition("?")[2].split("&"):
            name, _, value = part.partition("=")
            if name:
                found.setdefault(name, value)
        return found

    def header(self, name: str) -> tuple[str, ...]:
        """The values of a header, in order of sending."""
        return tuple(value for each, value in self.headers if each == name.lower())
