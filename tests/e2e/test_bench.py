"""``fairlead bench`` on a control plane of its own, in small: what it observed, never how fast."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fairlead.bench.peers.servers import peer_command
from fairlead.bench.plan import Peer

SMALL = ("--self", "--services", "20", "--namespaces", "5", "--endpoints", "3", "-o", "json")


def run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        (sys.executable, "-m", "fairlead", "bench", *arguments),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


@pytest.mark.envoy
@pytest.mark.parametrize("protocol", ["delta", "sotw"])
def test_every_change_is_acknowledged_by_all_whom_it_concerns(protocol: str) -> None:
    kinds = ("endpoint", "weight", "service")
    flags = [flag for kind in kinds for flag in ("--change", kind)]
    result = run(
        "push",
        "--envoy",
        "--changes",
        "6",
        "--sidecars",
        "4",
        "--gateways",
        "1",
        "--protocol",
        protocol,
        *SMALL,
        *flags,
    )
    assert {each["name"]: each["count"] for each in result["distributions"]} == {
        f"{kind}: {what}": 6
        for kind in kinds
        for what in (
            "change -> first ACK",
            "change -> last ACK",
            "first ACK -> last ACK",
            "change -> last ACK, a real Envoy's included",
        )
    }
    assert result["figures"]["endpoint: proxies concerned by a change"] == 5
    assert result["figures"]["weight: proxies concerned by a change"] == 5
    assert set(result["stages"]) == {"notice", "source", "store", "engine", "queue", "encode", "wire", "client"}


def test_what_does_not_concern_a_proxy_does_not_reach_it() -> None:
    # Ten sidecars in five namespaces, of which each knows its own services only; the changes go round.
    result = run("fanout", "--changes", "6", "--sidecars", "10", "--scoped", "--connections", "2", *SMALL)
    assert result["figures"]["endpoint: proxies concerned by a change"] == 2
    assert result["figures"]["endpoint: responses per change"] == 2


def test_every_one_of_many_changes_arrives() -> None:
    result = run("churn", "--sidecars", "6", "--rate", "50", "--duration", "1", *SMALL)
    figures = result["figures"]
    assert (figures["changes"], figures["proxies reached"], figures["reconnections"]) == (50, 6, 0)
    assert {each["name"]: each["count"] for each in result["distributions"]}["change -> last ACK"] == 50
    assert figures["responses"] <= 50 * 6


def test_what_changes_a_status_reaches_nobody() -> None:
    figures = run("churn", "--change", "status", "--sidecars", "3", "--rate", "50", "--duration", "1", *SMALL)[
        "figures"
    ]
    assert (figures["changes"], figures["responses"], figures["proxies reached"]) == (50, 0, 0)


def test_all_who_come_at_once_are_configured() -> None:
    result = run("connect", "--sidecars", "20", "--gateways", "2", "--connections", "4", *SMALL)
    assert [each["count"] for each in result["distributions"]] == [22, 22]
    # Clusters, endpoints, listeners and routes.
    assert result["figures"]["responses"] == 22 * 4
    assert result["figures"]["reconnections"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_told_of_each_state() -> None:
    figures = run("memory", "--sidecars", "5", *SMALL)["figures"]
    assert 0 < figures["memory, loaded"] <= figures["memory, the most ever"]
    assert figures["memory, all proxies gone"] > 0


@pytest.mark.parametrize("protocol", ["delta", "sotw"])
def test_a_peer_gets_the_same_changes(protocol: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    kinds = ("--change", "endpoint", "--change", "service", "--changes", "5")
    done = run(
        "push", "--peer", "grpc.aio", *kinds, "--sidecars", "3", "--protocol", protocol, "--report", str(page), *SMALL
    )
    ours, theirs = done["results"]
    assert (ours["server"], theirs["server"]) == ("fairlead", "grpc.aio")
    for name in ("endpoint: proxies concerned by a change", "service: proxies concerned by a change"):
        assert ours["figures"][name] == theirs["figures"][name] == 3
    assert page.read_text().startswith("<!doctype html>")
    assert {each["name"] for each in done["comparison"]} >= {"endpoint: change -> last ACK, p50"}


@pytest.mark.parametrize("peer", [each for each in Peer if each is not Peer.BARE])
def test_a_peer_that_is_built_gets_the_same_changes(peer: Peer) -> None:
    if peer_command(peer) is None:
        pytest.skip("what to compare with is not built: make bench-peers")
    kinds = ("--change", "endpoint", "--change", "weight", "--change", "service", "--changes", "2")
    done = run("push", "--peer", peer, *kinds, "--sidecars", "3", "--gateways", "1", "--poll", "0.3", *SMALL)
    ours, theirs = done["results"]
    assert (theirs["server"], theirs["failure"]) == (peer, "")
    for name in ("endpoint", "weight", "service"):
        assert ours["figures"][f"{name}: proxies concerned by a change"] == 4
        assert theirs["figures"][f"{name}: proxies concerned by a change"] == 4


def test_the_load_alone_is_written_for_others(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "fairlead", "bench", "load", "--services", "6", "--namespaces", "2", "--yaml")
    done = subprocess.run(
        (*command, "--config-dir", str(tmp_path)), capture_output=True, text=True, timeout=60, check=True
    )
    assert "objects of 6 services are in" in done.stdout
    validated = subprocess.run(
        (sys.executable, "-m", "fairlead", "validate", "-f", str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".yaml"}
    nowhere = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (nowhere.returncode, "where is the load to be written?" in nowhere.stderr) == (2, True)


def test_an_interrupted_run_leaves_no_process(tmp_path: Path) -> None:
    # That nothing is left is what the fixtures of every test see to.
    arguments = ("bench", "churn", *SMALL, "--sidecars", "2", "--duration", "60", "--config-dir", str(tmp_path))
    with subprocess.Popen(
        (sys.executable, "-m", "fairlead", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as bench:
        deadline = time.monotonic() + 60
        while not (tmp_path / "clients-0.log").exists():
            assert bench.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        bench.send_signal(signal.SIGINT)
        told, _ = bench.communicate(timeout=60)
    assert (bench.returncode, told) == (130, b"")


def test_a_target_that_is_not_there() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "fairlead", "bench", "push", "--target", "127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "nothing listens at 127.0.0.1:1. start the control plane, or use --self" in done.stderr
    assert "Traceback" not in done.stderr
