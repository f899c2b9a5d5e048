"""The generated type stubs let mypy see the fields of Envoy messages."""

import subprocess
import sys
from pathlib import Path

IMPORTS = """
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.core.v3.context_params_pb2 import ContextParams
from xds.resource import Resource
"""

MISTAKES = {
    'Cluster(nam="a")': 'Unexpected keyword argument "nam" for "Cluster"',
    "Cluster(name=3)": 'Argument "name" to "Cluster" has incompatible type "int"',
    'Cluster().eds_cluster_confg.service_name = "a"': '"Cluster" has no attribute "eds_cluster_confg"',
    'ContextParams(parms={"a": "b"})': 'Unexpected keyword argument "parms" for "ContextParams"',
    'Resource(3, "a", b"")': 'incompatible type "int"; expected "TypeUrl"',
}
FINE = ['Cluster(name="a", type=Cluster.EDS)', 'ContextParams(params={"a": "b"})', "print(Resource.sotw_record)"]


def test_mypy_finds_every_mistake_and_nothing_else(project_root: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(IMPORTS + "\n".join([*FINE, *MISTAKES]))
    first = IMPORTS.count("\n") + len(FINE) + 1
    finished = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "--no-error-summary", program],
        cwd=project_root,
        check=False,
        capture_output=True,
        text=True,
    )
    errors = dict(line.removeprefix(f"{program}:").split(": error: ") for line in errors_of(finished.stdout, program))
    assert set(errors) == {str(number) for number in range(first, first + len(MISTAKES))}
    for found, expected in zip(errors.values(), MISTAKES.values(), strict=True):
        assert expected in found


def errors_of(output: str, program: Path) -> list[str]:
    """The lines of mypy's output that are errors in the program."""
    return [line for line in output.splitlines() if line.startswith(f"{program}:") and ": error: " in line]
