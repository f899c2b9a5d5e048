"""``fairlead bench`` on a control plane of its own, in small: what it observed, never how fast."""

import json
import subprocess
import sys
from typing import Any

import pytest

SMALL = ("--services", "20", "--namespaces", "5", "--endpoints", "3", "--changes", "6", "-o", "json")


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


@pytest.mark.parametrize("protocol", ["delta", "sotw"])
def test_every_change_is_acknowledged_by_all_whom_it_concerns(protocol: str) -> None:
    kinds = ("endpoint", "weight", "service")
    flags = [flag for kind in kinds for flag in ("--change", kind)]
    result = run("push", "--self", "--sidecars", "4", "--gateways", "1", "--protocol", protocol, *SMALL, *flags)
    assert {each["name"]: each["count"] for each in result["distributions"]} == {
        f"{kind}: {what}": 6
        for kind in kinds
        for what in ("change -> first ACK", "change -> last ACK", "first ACK -> last ACK")
    }
    assert result["figures"]["endpoint: proxies concerned by a change"] == 5
    assert result["figures"]["weight: proxies concerned by a change"] == 5
    assert "source: written -> noticed" in result["stages"]


def test_what_does_not_concern_a_proxy_does_not_reach_it() -> None:
    # Ten sidecars in five namespaces, of which each knows its own services only; the changes go round.
    result = run("fanout", "--self", "--sidecars", "10", "--scoped", "--connections", "2", *SMALL)
    assert result["figures"]["endpoint: proxies concerned by a change"] == 2
    assert result["figures"]["endpoint: responses per change"] == 2


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
