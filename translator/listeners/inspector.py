"""Listener filters: they look at the first bytes of a connection, before a filter chain is chosen."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.listener.http_inspector.v3 import http_inspector_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.listener.original_src.v3 import original_src_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.type.v3 import range_pb2

from translator.pb import pack, uint32

TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"
HTTP_INSPECTOR: Final = "envoy.filters.listener.http_inspector"
ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
PROXY_PROTOCOL: Final = "envoy.filters.listener.proxy_protocol"
ORIGINAL_SRC: Final = "envoy.filters.listener.original_src"

# Istio's iptables rules let packets with this mark out unintercepted.
_TPROXY_MARK: Final = 1337
# The usual size of a ClientHello; Envoy reads more when that is not enough.
_TLS_BUFFER: Final = 512

_Filter = listener_components_pb2.ListenerFilter
_Predicate = listener_components_pb2.ListenerFilterChainMatchPredicate


class Needs(NamedTuple):
    """Which inspection the chains of a port need; ``bears_http``: looking for HTTP unasked changes nothing there."""

    tls: bool = False
    http: bool = False
    bears_http: bool = False


def build_tls_inspector(disabled: _Predicate | None = None) -> _Filter:
    """Finds out whether a connection starts with TLS, its SNI and its ALPN."""
    config = tls_inspector_pb2.TlsInspector(initial_read_buffer_size=uint32(_TLS_BUFFER))
    return _Filter(name=TLS_INSPECTOR, typed_config=pack(config), filter_disabled=disabled)


def build_http_inspector(disabled: _Predicate | None = None) -> _Filter:
    """Finds out whether a connection starts with plaintext HTTP; comes after the TLS inspector."""
    return _Filter(name=HTTP_INSPECTOR, typed_config=pack(http_inspector_pb2.HttpInspector()), filter_disabled=disabled)


def build_original_dst() -> _Filter:
    """Restores the address that the client dialled before it was intercepted."""
    return _Filter(name=ORIGINAL_DST, typed_config=pack(original_dst_pb2.OriginalDst()))


def build_original_src() -> _Filter:
    """Lets the workload see the address of the client (TPROXY)."""
    return _Filter(name=ORIGINAL_SRC, typed_config=pack(original_src_pb2.OriginalSrc(mark=_TPROXY_MARK)))


def build_proxy_protocol() -> _Filter:
    """Reads the client's address from the PROXY header that a load balancer puts in front."""
    return _Filter(name=PROXY_PROTOCOL, typed_config=pack(proxy_protocol_pb2.ProxyProtocol()))


def needs_by_port(chains: Iterable[tuple[int, Needs]]) -> dict[int, Needs]:
    """What each destination port (0: every other) needs, given what each chain needs for its port."""
    needs: dict[int, Needs] = {}
    for port, chain in chains:
        known = needs.get(port, Needs())
        needs[port] = Needs(*(one or other for one, other in zip(known, chain, strict=True)))
    return needs


def build_inspectors(needs: Mapping[int, Needs]) -> list[_Filter]:
    """The inspectors of a listener for many ports.

    An inspector waits for the client to speak; on a port whose server speaks first that would be forever. Ports are
    named only where that matters: Envoy changes filter chains in place, but replaces a listener, with every connection
    that it has, when its inspectors change. So most ports may come and go.
    """
    filters: list[_Filter] = []
    if any(each.tls for each in needs.values()):
        filters.append(build_tls_inspector(_disabled({port: each.tls for port, each in needs.items()})))
    if any(each.http for each in needs.values()):
        runs = {port: each.http or each.bears_http for port, each in needs.items()}
        filters.append(build_http_inspector(_disabled(runs)))
    return filters


def _disabled(needed: Mapping[int, bool]) -> _Predicate | None:
    """Where not to run, given for each port whether it is needed there; port 0 speaks for all that are not named."""
    if needed.get(0):
        ports = sorted(port for port, wanted in needed.items() if not wanted)
        return _any_port(ports) if ports else None
    return _Predicate(not_match=_any_port(sorted(port for port, wanted in needed.items() if wanted)))


def _any_port(ports: list[int]) -> _Predicate:
    rules = [_Predicate(destination_port_range=range_pb2.Int32Range(start=port, end=port + 1)) for port in ports]
    return rules[0] if len(rules) == 1 else _Predicate(or_match=_Predicate.MatchSet(rules=rules))
