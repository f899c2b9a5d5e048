"""``fairlead iptables``: flags and annotations into rules, and what is wrong with them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairlead.cli.main import build_app

PORTS = ("-p", "15001", "-z", "15006", "-d", "15090,15021,15020")
ISTIO_INIT = (*PORTS, "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*")
TRAFFIC = "traffic.sidecar.istio.io"


def dry_run(*arguments: str, code: int = 0) -> str:
    """What the command prints without doing anything; on standard error if it fails."""
    result = CliRunner().invoke(build_app(), ["iptables", "--dry-run", "--no-ipv6", *arguments])
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def test_the_arguments_of_istio_s_init_container_are_the_defaults() -> None:
    assert dry_run(*ISTIO_INIT) == dry_run()
    assert "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n" in dry_run()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("-p", "16001"), "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 16001"),
        (("-z", "16006"), "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 16006"),
        (("-e", "16008"), "-A ISTIO_INBOUND -p tcp -m tcp --dport 16008 -j RETURN"),
        (("-u", "7"), "-A ISTIO_OUTPUT -m owner --gid-owner 7 -j RETURN"),
        (("-u", "7", "-g", "8"), "-A ISTIO_OUTPUT -m owner --gid-owner 8 -j RETURN"),
        (("-b", "80"), "-A ISTIO_INBOUND -p tcp -m tcp --dport 80 -j ISTIO_IN_REDIRECT"),
        (("-d", "22"), "-A ISTIO_INBOUND -p tcp -m tcp --dport 22 -j RETURN"),
        (("-i", "10.0.0.0/8"), "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT"),
        (("-x", "10.0.0.0/8"), "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j RETURN"),
        (("-q", "443"), "-A ISTIO_OUTPUT -p tcp -m tcp --dport 443 -j ISTIO_REDIRECT"),
        (("-o", "3306"), "-A ISTIO_OUTPUT -p udp -m udp --dport 3306 -j RETURN"),
        (("-c", "eth1"), "-A PREROUTING -i eth1 -j RETURN"),
        (("-k", "vm0"), "-I PREROUTING 1 -i vm0 -j ISTIO_REDIRECT"),
        (("-m", "tproxy", "-t", "7", "-r", "9"), "ip -4 rule add fwmark 7 lookup 9"),
        (("--outbound-owner-groups-exclude", "ftp"), "-A ISTIO_OUTPUT -m owner --gid-owner ftp -j RETURN"),
        (("--capture-all-dns",), "-A ISTIO_OUTPUT_DNS -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053"),
        (("--drop-invalid",), "-A PREROUTING -m conntrack --ctstate INVALID -j DROP"),
    ],
)
def test_flags(arguments: tuple[str, ...], rule: str) -> None:
    assert f"{rule}\n" in dry_run(*arguments)


def test_without_interception_there_is_nothing_to_do() -> None:
    assert dry_run("-m", "NONE") == ""


def test_annotations_and_flags_that_beat_them(tmp_path: Path) -> None:
    annotations = tmp_path / "annotations"
    annotations.write_text(f'{TRAFFIC}/excludeOutboundPorts="3306"\n{TRAFFIC}/excludeInboundPorts="22"\n')
    found = dry_run("--annotations", str(annotations), "-o", "5432")
    assert "--dport 22 -j RETURN" in found
    assert "--dport 15021 -j RETURN" in found
    assert "--dport 5432 -j RETURN" in found
    assert "3306" not in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-p", "http"), "'http' is not a port"),
        (("-i", "10.0.0.0/40"), "'10.0.0.0/40' is not a network"),
        (("-m", "DIVERT"), "'DIVERT' is not REDIRECT, TPROXY or NONE"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    assert message in dry_run(*arguments, code=2)


def test_mistakes_in_annotations_name_them(tmp_path: Path) -> None:
    annotations = tmp_path / "annotations"
    annotations.write_text(f'{TRAFFIC}/excludeOutboundPorts="mysql"\n')
    assert f"annotation {TRAFFIC}/excludeOutboundPorts: 'mysql' is not a port" in dry_run(
        "--annotations", str(annotations), code=2
    )
