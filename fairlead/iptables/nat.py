"""The nat table: new connections are given another destination, the proxy's."""

from collections.abc import Iterator
from typing import Final

from fairlead.iptables.family import Family
from fairlead.iptables.rule import Match, Rule, Table, on_port, owned
from fairlead.iptables.settings import CaptureSettings

_DNS_PORT: Final = 53
_TCP: Final = Match(protocol="tcp")

_INBOUND: Final = "ISTIO_INBOUND"
_IN_REDIRECT: Final = "ISTIO_IN_REDIRECT"
_OUTPUT: Final = "ISTIO_OUTPUT"
_OUTPUT_DNS: Final = "ISTIO_OUTPUT_DNS"
_REDIRECT: Final = "ISTIO_REDIRECT"


def build_nat(settings: CaptureSettings, family: Family) -> Table:
    """All rules of the table."""
    return Table("nat", tuple(_rules(settings, family)))


def _rules(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    yield from _reroute(settings, family)
    yield from _excluded_interfaces(settings)
    yield from _inbound(settings)
    yield Rule(_REDIRECT, _TCP, f"REDIRECT --to-ports {settings.outbound_port}")
    yield Rule(_IN_REDIRECT, _TCP, f"REDIRECT --to-ports {settings.inbound_port}")
    yield Rule("OUTPUT", Match(), _OUTPUT)
    yield from _excluded_ports(settings)
    yield from _proxy_traffic(settings, family)
    yield from _other_groups(settings)
    yield from _dns(settings, family)
    yield from _outbound(settings, family)


def _reroute(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    """What comes from a virtual machine of the pod is outbound traffic, though it arrives by an interface."""
    if settings.include_networks is None:
        destinations: tuple[str, ...] = ("",)
    else:
        destinations = family.networks(settings.include_networks)
    for interface in settings.reroute_interfaces:
        for destination in destinations:
            match = Match(arriving=interface, destination=destination)
            yield Rule("PREROUTING", match, _REDIRECT, on_top=True)
    for interface in settings.reroute_interfaces:
        yield Rule("PREROUTING", Match(arriving=interface), "RETURN", on_top=True)


def _excluded_interfaces(settings: CaptureSettings) -> Iterator[Rule]:
    for interface in settings.exclude_interfaces:
        yield Rule("PREROUTING", Match(arriving=interface), "RETURN")
        yield Rule("OUTPUT", Match(leaving=interface), "RETURN")


def _inbound(settings: CaptureSettings) -> Iterator[Rule]:
    yield Rule(_INBOUND, Match(protocol="tcp", options=on_port("tcp", settings.tunnel_port)), "RETURN")
    if settings.is_transparent or not settings.captures_inbound:
        return
    yield Rule("PREROUTING", _TCP, _INBOUND)
    if settings.include_inbound_ports is None:
        for port in settings.exclude_inbound_ports:
            yield Rule(_INBOUND, Match(protocol="tcp", options=on_port("tcp", port)), "RETURN")
        yield Rule(_INBOUND, _TCP, _IN_REDIRECT)
    # Istio: with a list of what is included, what is excluded does not count.
    for port in settings.include_inbound_ports or ():
        yield Rule(_INBOUND, Match(protocol="tcp", options=on_port("tcp", port)), _IN_REDIRECT)


def _excluded_ports(settings: CaptureSettings) -> Iterator[Rule]:
    for port in settings.exclude_outbound_ports:
        for protocol in ("tcp", "udp"):
            yield Rule(_OUTPUT, Match(protocol=protocol, options=on_port(protocol, port)), "RETURN")


def _proxy_traffic(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    """What the proxy sends goes its way, unless it calls its own pod as a client of one of the pod's services."""
    yield Rule(_OUTPUT, Match(leaving="lo", source=family.passthrough_source), "RETURN")
    for user in settings.proxy_users:
        ports = on_port("tcp", settings.tunnel_port, negated=True)
        if settings.dns:
            ports = (f"-m multiport ! --dports {_DNS_PORT},{settings.tunnel_port}",)
        yield from _owner_rules(settings, family, "uid", user, ports)
    for group in settings.proxy_groups:
        yield from _owner_rules(settings, family, "gid", group, on_port("tcp", settings.tunnel_port, negated=True))


def _owner_rules(
    settings: CaptureSettings, family: Family, field: str, owner: str, ports: tuple[str, ...]
) -> Iterator[Rule]:
    own_pod = Match(
        leaving="lo", destination=f"!{family.localhost}", protocol="tcp", options=(*ports, *owned(field, owner))
    )
    yield Rule(_OUTPUT, own_pod, _IN_REDIRECT)
    if not settings.includes_loopback:
        others = owned(field, owner, negated=True)
        # The application talks to itself, except that queries to a name server on the loopback are caught.
        if settings.dns:
            options = (*on_port("tcp", _DNS_PORT, negated=True), *others)
            yield Rule(_OUTPUT, Match(leaving="lo", protocol="tcp", options=options), "RETURN")
        else:
            yield Rule(_OUTPUT, Match(leaving="lo", options=others), "RETURN")
    yield Rule(_OUTPUT, Match(options=owned(field, owner)), "RETURN")


def _other_groups(settings: CaptureSettings) -> Iterator[Rule]:
    if settings.include_groups is None:
        for group in settings.exclude_groups:
            yield Rule(_OUTPUT, Match(options=owned("gid", group)), "RETURN")
        return
    in_none = tuple(option for group in settings.include_groups for option in owned("gid", group, negated=True))
    yield Rule(_OUTPUT, Match(options=in_none), "RETURN")


def _dns(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    if settings.dns is None:
        return
    yield Rule(_OUTPUT, Match(), _OUTPUT_DNS)
    redirect = f"REDIRECT --to-ports {settings.dns.port}"
    servers = family.servers(settings)
    for server in servers:
        match = Match(destination=server, protocol="tcp", options=on_port("tcp", _DNS_PORT))
        yield Rule(_OUTPUT_DNS, match, redirect)
    owners = (*(("uid", each) for each in settings.proxy_users), *(("gid", each) for each in settings.proxy_groups))
    for field, owner in owners:
        options = (*on_port("udp", _DNS_PORT), *owned(field, owner))
        yield Rule(_OUTPUT_DNS, Match(protocol="udp", options=options), "RETURN")
    for server in servers:
        match = Match(destination=server, protocol="udp", options=on_port("udp", _DNS_PORT))
        yield Rule(_OUTPUT_DNS, match, redirect)


def _outbound(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    yield Rule(_OUTPUT, Match(destination=family.localhost), "RETURN")
    for network in family.networks(settings.exclude_networks):
        yield Rule(_OUTPUT, Match(destination=network), "RETURN")
    for port in settings.include_outbound_ports:
        yield Rule(_OUTPUT, Match(protocol="tcp", options=on_port("tcp", port)), _REDIRECT)
    if settings.include_networks is None:
        yield Rule(_OUTPUT, Match(), _REDIRECT)
    for network in family.networks(settings.include_networks or ()):
        yield Rule(_OUTPUT, Match(destination=network), _REDIRECT)
