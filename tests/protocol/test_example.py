"""The example of the documentation, as its reader would run it."""

import sys
from pathlib import Path

import pytest

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.envoy import envoy_executable
from fairlead.mesh.process import ChildProcess


@pytest.mark.envoy
async def test_the_example_greets(tmp_path: Path, project_root: Path) -> None:
    example = project_root / "examples" / "xds_library.py"
    envoy = (envoy_executable(), "-c", str(example.with_suffix(".yaml")), "--disable-hot-restart")
    async with (
        ChildProcess("control-plane", (sys.executable, str(example)), tmp_path / "control-plane.log"),
        ChildProcess("envoy", envoy, tmp_path / "envoy.log"),
        HttpClient("127.0.0.1:10000") as client,
    ):
        first = await client.wait_for(Request("/"), lambda answer: answer.body.startswith(b"hello number"))
        await client.wait_for(Request("/"), lambda answer: answer.status == 200 and answer.body != first.body)
