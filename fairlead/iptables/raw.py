"""The raw table: DNS queries of the application and those of the proxy for it are tracked apart.

Both may come from the same port and go to the same server; in one zone the kernel would take them for one
connection and lead the proxy's query back to the proxy.
"""

from collections.abc import Iterator
from typing import Final

from fairlead.iptables.family import Family
from fairlead.iptables.rule import Match, Rule, Table, on_port, owned
from fairlead.iptables.settings import CaptureSettings

_INBOUND: Final = "ISTIO_INBOUND"
_OUTPUT_DNS: Final = "ISTIO_OUTPUT_DNS"
_DNS_PORT: Final = 53
_PROXY_AND_RESOLVER: Final = "CT --zone 1"
_APPLICATION_AND_PROXY: Final = "CT --zone 2"


def build_raw(settings: CaptureSettings, family: Family) -> Table:
    """All rules of the table; none without DNS capture."""
    return Table("raw", tuple(_rules(settings, family)))


def _rules(settings: CaptureSettings, family: Family) -> Iterator[Rule]:
    if settings.dns is None:
        return
    yield Rule("OUTPUT", Match(), _OUTPUT_DNS)
    owners = (*(("uid", each) for each in settings.proxy_users), *(("gid", each) for each in settings.proxy_groups))
    for field, owner in owners:
        asking = (*on_port("udp", _DNS_PORT), *owned(field, owner))
        answering = (*on_port("udp", settings.dns.port, field="sport"), *owned(field, owner))
        yield Rule(_OUTPUT_DNS, Match(protocol="udp", options=asking), _PROXY_AND_RESOLVER)
        yield Rule(_OUTPUT_DNS, Match(protocol="udp", options=answering), _APPLICATION_AND_PROXY)
    servers = family.servers(settings)
    for server in servers:
        match = Match(destination=server, protocol="udp", options=on_port("udp", _DNS_PORT))
        yield Rule(_OUTPUT_DNS, match, _APPLICATION_AND_PROXY)
    if servers:
        yield Rule("PREROUTING", Match(), _INBOUND)
    for server in servers:
        match = Match(source=server, protocol="udp", options=on_port("udp", _DNS_PORT, field="sport"))
        yield Rule(_INBOUND, match, _PROXY_AND_RESOLVER)
