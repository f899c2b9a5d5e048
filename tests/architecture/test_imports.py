"""The import rules: the roots live beside the Envoy messages, importing has no effects, and the contracts bite."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("xds", "translator", "protos", "fairlead")
# What the cncf/xds messages, installed under the same import name, need for themselves.
RESERVED_IN_XDS = {"annotations", "core", "data", "service", "type"}

LIBRARY_AND_OURS = """
import envoy.config.listener.v3.listener_pb2
import xds.core.v3.context_params_pb2, xds.resource
print(xds.core.v3.context_params_pb2.__file__)
print(xds.resource.__file__)
"""


@pytest.mark.parametrize("start", ["checkout", "elsewhere"])
def test_the_library_called_xds_and_ours_are_both_importable(start: str, project_root: Path, tmp_path: Path) -> None:
    folder = project_root if start == "checkout" else tmp_path
    output = subprocess.run(
        [sys.executable, "-c", LIBRARY_AND_OURS], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    theirs, ours = map(Path, output.split())
    assert "site-packages" in theirs.parts
    assert ours == project_root / "xds" / "resource.py"


def test_no_module_of_xds_hides_one_of_the_library(project_root: Path) -> None:
    modules = {path.stem for path in (project_root / "xds").iterdir()}
    assert not modules & RESERVED_IN_XDS


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_has_no_effects(package: str, project_root: Path) -> None:
    assert import_effects(package, project_root) == []


@pytest.mark.parametrize(
    ("statement", "effect"),
    [
        ("import os; os.environ.get('HOME')", "reads HOME from the environment"),
        ("import socket; socket.socket().close()", "a socket is opened"),
        ("import logging; logging.basicConfig()", "log handler"),
        ("import prometheus_client; prometheus_client.Counter('pushes', '')", "metric pushes is registered"),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "thread"),
    ],
)
def test_an_effect_of_importing_is_noticed(statement: str, effect: str, tmp_path: Path) -> None:
    (tmp_path / "careless").mkdir()
    (tmp_path / "careless" / "__init__.py").write_text(statement)
    (noticed,) = import_effects("careless", tmp_path)
    assert effect in noticed


def import_effects(package: str, folder: Path) -> list[str]:
    """What importing all of a package did, in a fresh interpreter; an interpreter that wrote anything else fails."""
    probe = Path(__file__).with_name("import_probe.py")
    finished = subprocess.run(
        [sys.executable, str(probe), package], cwd=folder, check=False, capture_output=True, text=True
    )
    assert finished.stderr == ""
    effects: list[str] = json.loads(finished.stdout)
    return effects


FORBIDDEN_IMPORTS = {
    "translator": ("asyncio, fairlead, grpc, xds.probe", {"layers", "value-types", "pure"}),
    "xds": ("grpc, kubernetes, translator", {"layers", "strangers", "sans-io"}),
    "fairlead": ("kubernetes, watchfiles", {"sources"}),
}


@pytest.mark.parametrize("package", FORBIDDEN_IMPORTS)
def test_a_forbidden_import_breaks_its_contract(package: str, project_root: Path, tmp_path: Path) -> None:
    for name in PACKAGES:
        shutil.copytree(project_root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / name / "probe.py").touch()
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    imports, expected = FORBIDDEN_IMPORTS[package]
    (tmp_path / package / "probe.py").write_text(f"import {imports}\n")
    assert broken_contracts(tmp_path) == expected


def broken_contracts(folder: Path) -> set[str]:
    """Ids of the import contracts that the packages in a folder do not keep."""
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    ids = {contract["name"]: contract["id"] for contract in settings["tool"]["importlinter"]["contracts"]}
    report = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env=os.environ | {"COLUMNS": "1000"},
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    return {ids[line.split(" BROKEN")[0]] for line in report.splitlines() if " BROKEN" in line}


IMPURE_BUILTINS = {"open", "input", "print", "eval", "exec", "hash"}
IMPURE_METHODS = {"now", "utcnow", "today", "fromtimestamp", "uuid1", "uuid4", "getenv"}


def impure_calls(source: str) -> Iterator[str]:
    """Calls that import rules cannot see: clock, files, terminal, and str hashes, which differ between processes."""
    tree = ast.parse(source)
    allowed = {
        call
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name == "__hash__"
        for call in ast.walk(function)
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or call in allowed:
            continue
        target = call.func
        if (isinstance(target, ast.Name) and target.id in IMPURE_BUILTINS) or (
            isinstance(target, ast.Attribute) and target.attr in IMPURE_METHODS
        ):
            yield f"line {call.lineno}: {ast.unparse(call)}"


def test_the_translator_calls_nothing_impure(project_root: Path) -> None:
    found = {
        str(path): calls
        for path in (project_root / "translator").rglob("*.py")
        if (calls := list(impure_calls(path.read_text())))
    }
    assert found == {}


@pytest.mark.parametrize("call", ["datetime.now()", "open('x')", "hash('x')", "datetime.datetime.today()", "print()"])
def test_an_impure_call_is_found(call: str) -> None:
    assert list(impure_calls(f"def build():\n    return {call}\n")) == [f"line 2: {call}"]


def test_a_hash_method_may_hash() -> None:
    assert list(impure_calls("class A:\n    def __hash__(self):\n        return hash(self.name)\n")) == []
