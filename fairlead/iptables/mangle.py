"""The mangle table: marks that keep the addresses of what comes in (TPROXY), and packets that fit no connection."""

from collections.abc import Iterator
from typing import Final

from fairlead.iptables.family import Family
from fairlead.iptables.rule import Match, Rule, Table, marked, on_port, owned
from fairlead.iptables.settings import CaptureSettings

# What the proxy sends to its own pod as a client; without it the proxy would be caught by itself.
OUTBOUND_MARK: Final = 1338

_DIVERT: Final = "ISTIO_DIVERT"
_INBOUND: Final = "ISTIO_INBOUND"
_TPROXY: Final = "ISTIO_TPROXY"
_ANY: Final = "0xffffffff"
_TCP: Final = Match(protocol="tcp")
_KNOWN: Final = ("-m conntrack --ctstate RELATED,ESTABLISHED",)


def build_mangle(settings: CaptureSettings, family: Family) -> Table:
    """All rules of the table; none when connections are only redirected."""
    rules = list(_drop_invalid(settings))
    if settings.is_transparent:
        rules += _transparent(settings, family)
    return Table("mangle", tuple(rules))


def _drop_invalid(settings: CaptureSettings) -> Iterator[Rule]:
    """A late packet that no connection claims would be answered with a reset to the caller."""
    if settings.drop_invalid:
        yield Rule("PREROUTING", Match(options=("-m conntrack --ctstate INVALID",)), "DROP")


def _transparent(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    mark = settings.tproxy_mark
    any_address = "0.0.0.0" if family.prefix == 32 else "::"  # noqa: S104 - how iptables prints "no address"
    for interface in settings.exclude_interfaces:
        yield Rule("PREROUTING", Match(arriving=interface), "RETURN")
        yield Rule("OUTPUT", Match(leaving=interface), "RETURN")
    yield Rule(_DIVERT, Match(), f"MARK --set-xmark {mark:#x}/{_ANY}")
    yield Rule(_DIVERT, Match(), "ACCEPT")
    to_proxy = f"TPROXY --on-port {settings.inbound_port} --on-ip {any_address} --tproxy-mark {mark:#x}/{_ANY}"
    yield Rule(_TPROXY, Match(destination=f"!{family.localhost}", protocol="tcp"), to_proxy)
    yield Rule("PREROUTING", _TCP, _INBOUND)
    yield from _inbound(settings, family)
    # Answers have to take the way back through the proxy, so the connection remembers the mark.
    copy = f"--nfmask {_ANY} --ctmask {_ANY}"
    yield Rule("PREROUTING", Match(protocol="tcp", options=marked(mark)), f"CONNMARK --save-mark {copy}")
    yield Rule("OUTPUT", Match(leaving="lo", protocol="tcp", options=marked(mark)), "RETURN")
    owners = (*(("uid", each) for each in settings.proxy_users), *(("gid", each) for each in settings.proxy_groups))
    for field, owner in owners:
        own_pod = Match(destination=f"!{family.localhost}", leaving="lo", protocol="tcp", options=owned(field, owner))
        yield Rule("OUTPUT", own_pod, f"MARK --set-xmark {OUTBOUND_MARK:#x}/{_ANY}")
    remembered = Match(protocol="tcp", options=(f"-m connmark --mark {mark:#x}",))
    yield Rule("OUTPUT", remembered, f"CONNMARK --restore-mark {copy}")


def _inbound(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    yield Rule(_INBOUND, Match(protocol="tcp", options=marked(settings.tproxy_mark)), "RETURN")
    yield Rule(_INBOUND, Match(source=family.passthrough_source, arriving="lo", protocol="tcp"), "RETURN")
    yield Rule(_INBOUND, Match(arriving="lo", protocol="tcp", options=marked(OUTBOUND_MARK, negated=True)), "RETURN")
    if settings.include_inbound_ports is None:
        for port in settings.exclude_inbound_ports:
            yield Rule(_INBOUND, Match(protocol="tcp", options=on_port("tcp", port)), "RETURN")
        yield Rule(_INBOUND, Match(protocol="tcp", options=_KNOWN), _DIVERT)
        yield Rule(_INBOUND, _TCP, _TPROXY)
    for port in settings.include_inbound_ports or ():
        options = on_port("tcp", port)
        yield Rule(_INBOUND, Match(protocol="tcp", options=(*options, *_KNOWN)), _DIVERT)
        yield Rule(_INBOUND, Match(protocol="tcp", options=options), _TPROXY)
