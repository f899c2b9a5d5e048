"""How lists are written, and what is refused."""

from ipaddress import ip_address, ip_network

import pytest

from fairlead.iptables.settings import (
    parse_capture,
    parse_interfaces,
    parse_name_servers,
    parse_networks,
    parse_owners,
    parse_ports,
    parse_selected_networks,
    parse_selected_owners,
    parse_selected_ports,
)
from translator.model.proxy import Capture


def test_lists() -> None:
    assert parse_ports("80, 443,80,") == (80, 443)
    assert parse_networks("10.0.0.0/8,10.1.2.3/16,::1") == tuple(
        map(ip_network, ("10.0.0.0/8", "10.1.0.0/16", "::1/128"))
    )
    assert parse_interfaces("eth1,veth-a.1") == ("eth1", "veth-a.1")
    assert parse_owners("1337,java") == ("1337", "java")
    assert parse_ports("") == parse_networks("") == ()


def test_a_star_is_everything() -> None:
    assert parse_selected_ports("*") is parse_selected_networks(" * ") is parse_selected_owners("*") is None
    assert parse_selected_ports("") == ()


def test_modes() -> None:
    assert [parse_capture(text) for text in ("redirect", "TPROXY", "None")] == list(Capture)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_ports, "80,http", "'http' is not a port"),
        (parse_ports, "0", "'0' is not a port"),
        (parse_ports, "65536", "'65536' is not a port"),
        (parse_ports, "²", "is not a port"),
        (parse_networks, "10.0.0.0/33", "'10.0.0.0/33' is not a network"),
        (parse_networks, "*", r"'\*' is not a network"),
        (parse_interfaces, "a name", "'a name' is not the name of a network interface"),
        (parse_interfaces, "sixteen-letters-", "is not the name of a network interface"),
        (parse_owners, "-j ACCEPT", "'-j ACCEPT' is not a user or group"),
        (parse_capture, "DIVERT", "'DIVERT' is not REDIRECT, TPROXY or NONE"),
    ],
)
def test_mistakes_are_named(parse: object, text: str, message: str) -> None:
    assert callable(parse)
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_name_servers_of_a_resolver() -> None:
    text = "search a.b\nnameserver 10.96.0.10\nnameserver fe80::1%eth0\nnameserver x\n#nameserver 1.2.3.4\nnameserver\n"
    assert parse_name_servers(text) == (ip_address("10.96.0.10"), ip_address("fe80::1"))
