"""Interception by annotations of the pod."""

from ipaddress import ip_network

import pytest

from fairlead.iptables.annotations import annotated_settings, parse_annotations
from translator.model.proxy import Capture

TRAFFIC = "traffic.sidecar.istio.io"


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("sidecar.istio.io/interceptionMode", "TPROXY", "mode", Capture.TPROXY),
        (f"{TRAFFIC}/includeInboundPorts", "*", "include_inbound_ports", None),
        (f"{TRAFFIC}/includeInboundPorts", "80,81", "include_inbound_ports", (80, 81)),
        (f"{TRAFFIC}/excludeInboundPorts", "22", "exclude_inbound_ports", (15090, 15021, 15020, 22)),
        (f"{TRAFFIC}/includeOutboundIPRanges", "", "include_networks", ()),
        (f"{TRAFFIC}/includeOutboundIPRanges", "*", "include_networks", None),
        (f"{TRAFFIC}/excludeOutboundIPRanges", "10.0.0.0/8", "exclude_networks", (ip_network("10.0.0.0/8"),)),
        (f"{TRAFFIC}/includeOutboundPorts", "443", "include_outbound_ports", (443,)),
        (f"{TRAFFIC}/excludeOutboundPorts", "3306", "exclude_outbound_ports", (3306,)),
        (f"{TRAFFIC}/excludeInterfaces", "eth1", "exclude_interfaces", ("eth1",)),
        (f"{TRAFFIC}/kubevirtInterfaces", "vm0", "reroute_interfaces", ("vm0",)),
        ("istio.io/reroute-virtual-interfaces", "vm1", "reroute_interfaces", ("vm1",)),
        ("status.sidecar.istio.io/port", "15999", "exclude_inbound_ports", (15090, 15021, 15999)),
    ],
)
def test_each_fills_a_field(name: str, value: str, field: str, expected: object) -> None:
    assert annotated_settings({name: value, "app": "x"}) == {field: expected}


def test_a_mistake_names_the_annotation() -> None:
    with pytest.raises(ValueError, match=rf"annotation {TRAFFIC}/excludeOutboundPorts: 'mysql' is not a port"):
        annotated_settings({f"{TRAFFIC}/excludeOutboundPorts": "mysql"})


def test_the_file_of_the_downward_api() -> None:
    assert parse_annotations('a.b/c="x,y"\n\nnote="say \\"hi\\"\\n"\n') == {"a.b/c": "x,y", "note": 'say "hi"\n'}
    with pytest.raises(ValueError, match="line 2 is not KEY"):
        parse_annotations('a="b"\nc=d\n')
