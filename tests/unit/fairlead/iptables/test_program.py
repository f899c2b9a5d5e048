"""The rules that settings lead to, chain by chain."""

from ipaddress import ip_address, ip_network

import pytest

from fairlead.iptables.program import build_programs
from fairlead.iptables.settings import CaptureSettings, DnsCapture, IpVersion
from translator.model.proxy import Capture

TPROXY = Capture.TPROXY
LOOPBACK_V4 = "127.0.0.1/32"
PROXY_USER = "-m owner --uid-owner 1337"

PROXY_RULES = (
    "-s 127.0.0.6/32 -o lo -j RETURN",
    "! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT",
    "-o lo -m owner ! --uid-owner 1337 -j RETURN",
    "-m owner --uid-owner 1337 -j RETURN",
    "! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
    "-o lo -m owner ! --gid-owner 1337 -j RETURN",
    "-m owner --gid-owner 1337 -j RETURN",
)


def chain(settings: CaptureSettings, place: str, version: IpVersion = IpVersion.V4) -> tuple[str, ...]:
    """The rules of ``TABLE CHAIN``; empty if there is no such chain."""
    table, _, name = place.partition(" ")
    (program,) = build_programs(settings, (version,))
    return next((each.chains().get(name, ()) for each in program.tables if each.name == table), ())


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("nat PREROUTING", ("-p tcp -j ISTIO_INBOUND",)),
        ("nat OUTPUT", ("-j ISTIO_OUTPUT",)),
        (
            "nat ISTIO_INBOUND",
            (
                "-p tcp -m tcp --dport 15008 -j RETURN",
                "-p tcp -m tcp --dport 15090 -j RETURN",
                "-p tcp -m tcp --dport 15021 -j RETURN",
                "-p tcp -m tcp --dport 15020 -j RETURN",
                "-p tcp -j ISTIO_IN_REDIRECT",
            ),
        ),
        ("nat ISTIO_REDIRECT", ("-p tcp -j REDIRECT --to-ports 15001",)),
        ("nat ISTIO_IN_REDIRECT", ("-p tcp -j REDIRECT --to-ports 15006",)),
        ("nat ISTIO_OUTPUT", (*PROXY_RULES, "-d 127.0.0.1/32 -j RETURN", "-j ISTIO_REDIRECT")),
        ("mangle PREROUTING", ()),
        ("raw OUTPUT", ()),
    ],
)
def test_by_default_everything_is_redirected(place: str, expected: tuple[str, ...]) -> None:
    assert chain(CaptureSettings(), place) == expected


INBOUND_CASES = [
    (CaptureSettings(include_inbound_ports=()), "PREROUTING", ()),
    (
        CaptureSettings(include_inbound_ports=(80, 81), exclude_inbound_ports=(80,)),
        "ISTIO_INBOUND",
        (
            "-p tcp -m tcp --dport 15008 -j RETURN",
            "-p tcp -m tcp --dport 80 -j ISTIO_IN_REDIRECT",
            "-p tcp -m tcp --dport 81 -j ISTIO_IN_REDIRECT",
        ),
    ),
    (
        CaptureSettings(exclude_inbound_ports=()),
        "ISTIO_INBOUND",
        ("-p tcp -m tcp --dport 15008 -j RETURN", "-p tcp -j ISTIO_IN_REDIRECT"),
    ),
    (
        CaptureSettings(exclude_interfaces=("eth1",)),
        "PREROUTING",
        ("-i eth1 -j RETURN", "-p tcp -j ISTIO_INBOUND"),
    ),
    (CaptureSettings(exclude_interfaces=("eth1",)), "OUTPUT", ("-o eth1 -j RETURN", "-j ISTIO_OUTPUT")),
    (
        CaptureSettings(reroute_interfaces=("vm0", "vm1"), exclude_interfaces=("eth1",)),
        "PREROUTING",
        (
            "-i vm0 -j ISTIO_REDIRECT",
            "-i vm1 -j ISTIO_REDIRECT",
            "-i vm0 -j RETURN",
            "-i vm1 -j RETURN",
            "-i eth1 -j RETURN",
            "-p tcp -j ISTIO_INBOUND",
        ),
    ),
    (
        CaptureSettings(reroute_interfaces=("vm0",), include_networks=(ip_network("10.0.0.0/8"),)),
        "PREROUTING",
        ("-d 10.0.0.0/8 -i vm0 -j ISTIO_REDIRECT", "-i vm0 -j RETURN", "-p tcp -j ISTIO_INBOUND"),
    ),
]


@pytest.mark.parametrize(("settings", "name", "expected"), INBOUND_CASES)
def test_what_comes_in(settings: CaptureSettings, name: str, expected: tuple[str, ...]) -> None:
    assert chain(settings, f"nat {name}") == expected


NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
OUTBOUND_CASES = [
    (CaptureSettings(include_networks=NETWORKS), ("-d 127.0.0.1/32 -j RETURN", "-d 10.0.0.0/8 -j ISTIO_REDIRECT")),
    (CaptureSettings(include_networks=()), ("-d 127.0.0.1/32 -j RETURN",)),
    (
        CaptureSettings(exclude_networks=NETWORKS),
        ("-d 127.0.0.1/32 -j RETURN", "-d 10.0.0.0/8 -j RETURN", "-j ISTIO_REDIRECT"),
    ),
    (
        CaptureSettings(include_networks=(), include_outbound_ports=(443, 8443)),
        (
            "-d 127.0.0.1/32 -j RETURN",
            "-p tcp -m tcp --dport 443 -j ISTIO_REDIRECT",
            "-p tcp -m tcp --dport 8443 -j ISTIO_REDIRECT",
        ),
    ),
    (
        CaptureSettings(exclude_groups=("888", "ftp")),
        (
            "-m owner --gid-owner 888 -j RETURN",
            "-m owner --gid-owner ftp -j RETURN",
            "-d 127.0.0.1/32 -j RETURN",
            "-j ISTIO_REDIRECT",
        ),
    ),
    (
        CaptureSettings(include_groups=("java", "202"), exclude_groups=("888",)),
        (
            "-m owner ! --gid-owner java -m owner ! --gid-owner 202 -j RETURN",
            "-d 127.0.0.1/32 -j RETURN",
            "-j ISTIO_REDIRECT",
        ),
    ),
]


@pytest.mark.parametrize(("settings", "after_the_proxy"), OUTBOUND_CASES)
def test_what_goes_out(settings: CaptureSettings, after_the_proxy: tuple[str, ...]) -> None:
    assert chain(settings, "nat ISTIO_OUTPUT") == (*PROXY_RULES, *after_the_proxy)


def test_excluded_outbound_ports_come_first_for_both_protocols() -> None:
    rules = chain(CaptureSettings(exclude_outbound_ports=(3306,)), "nat ISTIO_OUTPUT")
    assert rules[:2] == ("-p tcp -m tcp --dport 3306 -j RETURN", "-p udp -m udp --dport 3306 -j RETURN")
    assert rules[2:9] == PROXY_RULES


def test_the_application_is_caught_on_its_loopback_only_if_that_is_asked_for() -> None:
    rules = chain(CaptureSettings(include_networks=(ip_network("127.0.0.0/8"),)), "nat ISTIO_OUTPUT")
    assert not [rule for rule in rules if rule.startswith("-o lo -m owner !")]
    assert rules[-1] == "-d 127.0.0.0/8 -j ISTIO_REDIRECT"


def test_several_users_and_groups_of_the_proxy() -> None:
    settings = CaptureSettings(proxy_users=("3", "4"), proxy_groups=("1",))
    owners = [rule for rule in chain(settings, "nat ISTIO_OUTPUT") if rule.startswith("-m owner")]
    assert owners == [
        "-m owner --uid-owner 3 -j RETURN",
        "-m owner --uid-owner 4 -j RETURN",
        "-m owner --gid-owner 1 -j RETURN",
    ]


DNS = CaptureSettings(dns=DnsCapture(servers=(ip_address("10.96.0.10"), ip_address("fd00::a"))))
DNS_CASES = [
    (
        "nat ISTIO_OUTPUT",
        (
            "-s 127.0.0.6/32 -o lo -j RETURN",
            f"! -d {LOOPBACK_V4} -o lo -p tcp -m multiport ! --dports 53,15008 {PROXY_USER} -j ISTIO_IN_REDIRECT",
            "-o lo -p tcp -m tcp ! --dport 53 -m owner ! --uid-owner 1337 -j RETURN",
            "-m owner --uid-owner 1337 -j RETURN",
            "! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
            "-o lo -p tcp -m tcp ! --dport 53 -m owner ! --gid-owner 1337 -j RETURN",
            "-m owner --gid-owner 1337 -j RETURN",
            "-j ISTIO_OUTPUT_DNS",
            "-d 127.0.0.1/32 -j RETURN",
            "-j ISTIO_REDIRECT",
        ),
    ),
    (
        "nat ISTIO_OUTPUT_DNS",
        (
            "-d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053",
            "-p udp -m udp --dport 53 -m owner --uid-owner 1337 -j RETURN",
            "-p udp -m udp --dport 53 -m owner --gid-owner 1337 -j RETURN",
            "-d 10.96.0.10/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053",
        ),
    ),
    (
        "raw ISTIO_OUTPUT_DNS",
        (
            "-p udp -m udp --dport 53 -m owner --uid-owner 1337 -j CT --zone 1",
            "-p udp -m udp --sport 15053 -m owner --uid-owner 1337 -j CT --zone 2",
            "-p udp -m udp --dport 53 -m owner --gid-owner 1337 -j CT --zone 1",
            "-p udp -m udp --sport 15053 -m owner --gid-owner 1337 -j CT --zone 2",
            "-d 10.96.0.10/32 -p udp -m udp --dport 53 -j CT --zone 2",
        ),
    ),
    ("raw ISTIO_INBOUND", ("-s 10.96.0.10/32 -p udp -m udp --sport 53 -j CT --zone 1",)),
    ("raw PREROUTING", ("-j ISTIO_INBOUND",)),
    ("raw OUTPUT", ("-j ISTIO_OUTPUT_DNS",)),
]


@pytest.mark.parametrize(("place", "expected"), DNS_CASES)
def test_dns(place: str, expected: tuple[str, ...]) -> None:
    assert chain(DNS, place) == expected


def test_dns_of_every_server() -> None:
    settings = CaptureSettings(dns=DnsCapture(servers=None))
    assert chain(settings, "nat ISTIO_OUTPUT_DNS")[0] == "-p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053"
    assert chain(settings, "raw ISTIO_INBOUND") == ("-p udp -m udp --sport 53 -j CT --zone 1",)


TPROXY_CASES = [
    (
        CaptureSettings(mode=TPROXY, exclude_inbound_ports=(15090,)),
        "mangle ISTIO_INBOUND",
        (
            "-p tcp -m mark --mark 0x539 -j RETURN",
            "-s 127.0.0.6/32 -i lo -p tcp -j RETURN",
            "-i lo -p tcp -m mark ! --mark 0x53a -j RETURN",
            "-p tcp -m tcp --dport 15090 -j RETURN",
            "-p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT",
            "-p tcp -j ISTIO_TPROXY",
        ),
    ),
    (
        CaptureSettings(mode=TPROXY, include_inbound_ports=(80,)),
        "mangle ISTIO_INBOUND",
        (
            "-p tcp -m mark --mark 0x539 -j RETURN",
            "-s 127.0.0.6/32 -i lo -p tcp -j RETURN",
            "-i lo -p tcp -m mark ! --mark 0x53a -j RETURN",
            "-p tcp -m tcp --dport 80 -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT",
            "-p tcp -m tcp --dport 80 -j ISTIO_TPROXY",
        ),
    ),
    (
        CaptureSettings(mode=TPROXY, tproxy_mark=7),
        "mangle ISTIO_TPROXY",
        ("! -d 127.0.0.1/32 -p tcp -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x7/0xffffffff",),
    ),
    (
        CaptureSettings(mode=TPROXY),
        "mangle ISTIO_DIVERT",
        ("-j MARK --set-xmark 0x539/0xffffffff", "-j ACCEPT"),
    ),
    (
        CaptureSettings(mode=TPROXY, exclude_interfaces=("eth1",)),
        "mangle PREROUTING",
        (
            "-i eth1 -j RETURN",
            "-p tcp -j ISTIO_INBOUND",
            "-p tcp -m mark --mark 0x539 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        ),
    ),
    (
        CaptureSettings(mode=TPROXY),
        "mangle OUTPUT",
        (
            "-o lo -p tcp -m mark --mark 0x539 -j RETURN",
            "! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j MARK --set-xmark 0x53a/0xffffffff",
            "! -d 127.0.0.1/32 -o lo -p tcp -m owner --gid-owner 1337 -j MARK --set-xmark 0x53a/0xffffffff",
            "-p tcp -m connmark --mark 0x539 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        ),
    ),
    (CaptureSettings(mode=TPROXY), "nat PREROUTING", ()),
    (CaptureSettings(mode=TPROXY), "nat ISTIO_INBOUND", ("-p tcp -m tcp --dport 15008 -j RETURN",)),
    (
        CaptureSettings(mode=TPROXY),
        "nat ISTIO_OUTPUT",
        (*PROXY_RULES, "-d 127.0.0.1/32 -j RETURN", "-j ISTIO_REDIRECT"),
    ),
    (CaptureSettings(mode=TPROXY, include_inbound_ports=()), "mangle PREROUTING", ()),
    (CaptureSettings(drop_invalid=True), "mangle PREROUTING", ("-m conntrack --ctstate INVALID -j DROP",)),
]


@pytest.mark.parametrize(("settings", "place", "expected"), TPROXY_CASES)
def test_marks(settings: CaptureSettings, place: str, expected: tuple[str, ...]) -> None:
    assert chain(settings, place) == expected


def test_ipv6_has_its_own_addresses() -> None:
    settings = CaptureSettings(mode=TPROXY, exclude_networks=NETWORKS, dns=DnsCapture(servers=(ip_address("fd00::a"),)))
    output = chain(settings, "nat ISTIO_OUTPUT", IpVersion.V6)
    assert output[0] == "-s ::6/128 -o lo -j RETURN"
    assert output[-3:] == ("-d ::1/128 -j RETURN", "-d fd00::/8 -j RETURN", "-j ISTIO_REDIRECT")
    assert "-d fd00::a/128 -p udp -m udp --dport 53 -j CT --zone 2" in chain(
        settings, "raw ISTIO_OUTPUT_DNS", IpVersion.V6
    )
    assert "--on-ip ::" in chain(settings, "mangle ISTIO_TPROXY", IpVersion.V6)[0]


def test_addresses_and_routes() -> None:
    redirect, transparent = CaptureSettings(), CaptureSettings(mode=TPROXY)
    both = (IpVersion.V4, IpVersion.V6)
    commands = [" ".join(each) for program in build_programs(redirect, both) for each in program.commands]
    assert commands == ["ip -6 address replace ::6/128 dev lo"]
    commands = [" ".join(each) for program in build_programs(transparent, both[:1]) for each in program.commands]
    assert commands == [
        "ip -4 rule add fwmark 1337 lookup 133",
        "ip -4 route replace local default dev lo table 133",
    ]


def test_without_interception_there_is_no_program() -> None:
    assert build_programs(CaptureSettings(mode=Capture.NONE), (IpVersion.V4, IpVersion.V6)) == ()
