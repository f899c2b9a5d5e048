"""``fairlead serve`` as a process: its log, its signals, its exit codes."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = (sys.executable, "-m", "fairlead", "serve")
ANYWHERE = ("--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0")


class Serving:
    """A started process, whose log is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.entries: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.entries.append(json.loads(line))
            if self.entries[-1]["event"] == event:
                return self.entries[-1]
        raise AssertionError(f"no {event} in {self.entries}")


@pytest.fixture
def serving(root: Path) -> Iterator[Serving]:
    command = (*COMMAND, "--config-dir", str(root), *ANYWHERE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Serving(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(serving: Serving, number: signal.Signals) -> None:
    ready = serving.until("serve.ready")
    assert ready["level"] == "info"
    assert ready["objects"] == 2
    serving.process.send_signal(number)
    serving.until("serve.stopping")
    assert serving.process.wait(30) == 0
    assert serving.process.stdout
    assert serving.process.stdout.read() == ""


def test_faults_are_in_the_log_as_json(serving: Serving, root: Path) -> None:
    serving.until("serve.ready")
    (root / "bad.yaml").write_text("kind: Service\nmetadata: }")
    finding = serving.until("finding.new")
    assert finding["level"] == "error"
    assert (finding["file"], finding["document"], finding["line"]) == ("bad.yaml", 1, 2)
    assert finding["timestamp"].endswith("Z")


def test_a_port_that_is_taken(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = ("--xds", "127.0.0.1:0", "--admin", f"127.0.0.1:{port}")
        done = subprocess.run(
            (*COMMAND, "--config-dir", str(root), *addresses), capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert f"cannot serve the admin pages on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_a_file(root: Path) -> None:
    done = subprocess.run(
        (*COMMAND, "--config-dir", str(root / "web.yaml"), *ANYWHERE),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "web.yaml" in done.stderr


def test_what_only_certificates_and_dumps_need_is_not_loaded_before(root: Path) -> None:
    command = (sys.executable, "-X", "importtime", *COMMAND[1:], "--config-dir", str(root), *ANYWHERE)
    loaded: set[str] = set()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            for line in process.stderr:
                if line.startswith("import time:"):
                    loaded.add(line.rpartition("|")[2].strip())
                elif json.loads(line)["event"] == "serve.ready":
                    break
        finally:
            process.kill()
    assert "fairlead.app" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in {"cryptography", "kubernetes"}]
    assert "envoy.admin.v3.config_dump_pb2" not in loaded
