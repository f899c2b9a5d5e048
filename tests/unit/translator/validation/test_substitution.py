"""Substitutions in values of headers: what is accepted here is what a real Envoy accepts."""

import json
import subprocess
from pathlib import Path

import pytest

from translator.validation.substitution import COMMANDS, substitution_fault

GOOD = [
    "",
    "plain",
    "100%%",
    "%HOSTNAME%",
    "%%%HOSTNAME%",
    "%REQ(X-Foo?:authority):10%",
    "%START_TIME%",
    "%START_TIME(%Y/%m/%dT%H:%M:%S)%",
    '%DYNAMIC_METADATA(["a", "b"])%',
    "%CEL(size(request.headers))%",
    "%UPSTREAM_HOST% via %PROTOCOL%",
]
BAD = [
    ("50%", "a percent sign is written %%"),
    ("%%%", "a percent sign is written %%"),
    ("%REQ(x)", "a percent sign is written %%"),
    ("%req(x)%", "a percent sign is written %%"),
    ("%REQ(a)b%", "a percent sign is written %%"),
    ("%REQ(a):x%", "a percent sign is written %%"),
    ("%DOWNSTREAM_REMOTE_ADRESS%", "did you mean DOWNSTREAM_REMOTE_ADDRESS?"),
    ("%NO_SUCH_THING%", "Envoy knows no %NO_SUCH_THING%"),
    ("%REQ%", "%REQ% needs arguments"),
    ("%REQ()%", "%REQ% needs arguments"),
    ("%HOSTNAME(a)%", "%HOSTNAME% takes no arguments"),
    ("%HOSTNAME:5%", "%HOSTNAME% takes no arguments"),
]
# Commands whose arguments are more than any name.
ARGUMENTS = {
    "CEL": "request.path",
    "COALESCE": '{"operators": ["PROTOCOL"]}',
    "COMMON_DURATION": "DS_RX_BEG:DS_RX_END:ms",
    "METADATA": "ROUTE:a",
}


@pytest.mark.parametrize("text", GOOD)
def test_good_texts_pass(text: str) -> None:
    assert substitution_fault(text) == ""


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_bad_texts_are_explained(text: str, reason: str) -> None:
    assert reason in substitution_fault(text)


def bootstrap(*values: str) -> dict[str, object]:
    """A configuration whose only route adds a header for each of the values."""
    headers = [{"header": {"key": f"x-{index}", "value": value}} for index, value in enumerate(values)]
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "request_headers_to_add": headers}
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    manager = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
    }
    listener = {
        "name": "test",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}


def accepts(envoy: Path, folder: Path, *values: str) -> bool:
    """Whether a real Envoy takes the values."""
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(bootstrap(*values)))
    command: list[str | Path] = [envoy, "--mode", "validate", "--config-path", file, "--log-level", "off"]
    return subprocess.run(command, check=False, timeout=60).returncode == 0


@pytest.mark.envoy
def test_envoy_knows_every_command(envoy_binary: Path, tmp_path: Path) -> None:
    without = [f"%{name}%" for name in COMMANDS if not substitution_fault(f"%{name}%")]
    texts = [f"%{name}({ARGUMENTS.get(name, 'a')})%" for name in COMMANDS if f"%{name}%" not in without]

    assert accepts(envoy_binary, tmp_path, *GOOD, *without, *texts)


@pytest.mark.envoy
@pytest.mark.parametrize("text", [text for text, _ in BAD])
def test_envoy_refuses_what_is_refused_here(envoy_binary: Path, tmp_path: Path, text: str) -> None:
    assert not accepts(envoy_binary, tmp_path, text)
