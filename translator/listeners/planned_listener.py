"""A planned listener: one address and port, and the service ports that share it after all conflicts are decided.

``gc=False``: a plan holds tens of thousands of these, and they cannot be part of a cycle.
"""

from typing import Final

import msgspec

from translator.listeners.address import is_wildcard
from translator.model.protocol import Protocol
from translator.names import listener, sniffed_route

_SERVER_FIRST: Final = frozenset({Protocol.MYSQL, Protocol.MONGO})


class TCPBackend(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A service port behind a listener whose bytes are passed on as they are.

    ``position`` is the egress scope that imports it; ``port`` is the number that clients dial and rules match;
    ``by_sni`` means that nothing but the SNI tells its connections from those to other services;
    ``resolves_names`` that the service stands for all names below a suffix, to be resolved as they are dialled.
    """

    position: int
    namespace: str
    hostname: str
    port: int
    cluster_port: int
    protocol: Protocol
    prefixes: tuple[str, ...] = ()
    by_sni: bool = False
    resolves_names: bool = False


class PlannedListener(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One outbound listener. ``route_name`` is empty without HTTP; ``detects_http`` if it shares with other bytes.

    ``dynamic_hosts`` are the HTTP services whose names are resolved as they are requested.

    ``binds`` are the addresses of one socket each, the first names the listener; ``real`` sockets accept
    connections, the others only get intercepted ones.
    """

    binds: tuple[str, ...]
    port: int
    real: bool = False
    route_name: str = ""
    detects_http: bool = False
    grpc_web: bool = False
    dynamic_hosts: tuple[str, ...] = ()
    backends: tuple[TCPBackend, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name."""
        return listener(self.binds[0], self.port)


class Entry:
    """What has come together on one address and port so far. The first service there has the say."""

    def __init__(self, binds: tuple[str, ...], port: int, *, real: bool = False, dedicated: bool = False) -> None:
        """``dedicated`` is an address that belongs to one service."""
        self.binds = binds
        self.port = port
        self.real = real
        self._dedicated = dedicated
        self.locked = False
        self._protocol: Protocol | None = None
        self._http: set[Protocol] = set()
        self._http_host = ""
        self._dynamic_hosts: set[str] = set()
        self._backends: list[TCPBackend] = []

    def add(self, protocol: Protocol, backend: TCPBackend) -> None:
        """Let a service port join, if it can.

        Istio: HTTP joins anything by detection, except a port whose server speaks first: waiting for the
        client's first bytes there would never end.
        """
        if self._protocol is None:
            self._protocol = protocol
        elif self._protocol is not protocol and not _SERVER_FIRST.isdisjoint((self._protocol, protocol)):
            return
        if protocol.may_be_http:
            self._http.add(protocol)
            if backend.resolves_names:
                self._dynamic_hosts.add(backend.hostname)
            self._http_host = self._http_host or backend.hostname
        if not protocol.is_http:
            self._backends.append(backend)

    def planned(self) -> PlannedListener:
        """The listener for what has joined."""
        detects = bool(self._http) and (self._shares_wildcard or bool(self._backends))
        return PlannedListener(
            binds=self.binds,
            port=self.port,
            real=self.real,
            route_name=self._route_name() if self._http else "",
            detects_http=detects,
            dynamic_hosts=tuple(sorted(self._dynamic_hosts)),
            grpc_web=Protocol.GRPC_WEB in self._http,
            backends=tuple(self._backends),
        )

    @property
    def _shares_wildcard(self) -> bool:
        return is_wildcard(self.binds[0])

    def _route_name(self) -> str:
        """Istio: an address of a single service has routes of its own, all others share those of the port."""
        if not self.port:
            return self.binds[0]
        return sniffed_route(self._http_host, self.port) if self._dedicated else str(self.port)
