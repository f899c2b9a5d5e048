"""What every file of the project keeps to: size, documentation, contents that belong into a public repository."""

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = ("xds", "translator", "protos", "fairlead")
SOURCES = (*PACKAGES, "bench", "examples", "tools")
FILE_LINES = 500
FUNCTION_LINES = 60
FILE_BYTES = 1_000_000

# What each root offers as `from root import name`; everything is imported from the module that defines it.
PUBLIC_NAMES: dict[str, set[str]] = {"xds": set(), "translator": set(), "protos": set(), "fairlead": set()}

# The address of somebody's machine or package index makes a file useless, or wrong, elsewhere.
FOREIGN = re.compile(
    r"(?<![\w.$}/-])/(?:home|root|work|Users)/\w"
    r"|pypi\.org|pythonhosted\.org|proxy\.golang\.org|goproxy|(?:^|\s|--)(?:extra-)?index-url[= ]"
)


def tracked_files(project_root: Path) -> list[Path]:
    """The files under version control."""
    if not (project_root / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project_root, check=True, capture_output=True, text=True)
    paths = [project_root / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def source_files(project_root: Path) -> Iterator[Path]:
    """The project's own modules, without generated ones."""
    for folder in SOURCES:
        for path in sorted((project_root / folder).rglob("*.py")):
            # What "make bench-peers" builds is not ours.
            if "_pb2" not in path.name and "build" not in path.relative_to(project_root).parts:
                yield path


def test_no_module_is_too_long(project_root: Path) -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in source_files(project_root)}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES} == {}


def test_no_function_is_too_long(project_root: Path) -> None:
    found = {}
    for path in source_files(project_root):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    found[f"{path}:{node.lineno} {node.name}"] = length
    assert found == {}


def test_every_module_says_what_it_is_for(project_root: Path) -> None:
    modules = [path for path in tracked_files(project_root) if path.suffix == ".py"]
    assert [str(path) for path in modules if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_file_is_too_large(project_root: Path) -> None:
    assert [str(path) for path in tracked_files(project_root) if path.stat().st_size > FILE_BYTES] == []


def test_no_file_names_a_machine_or_a_package_index(project_root: Path) -> None:
    found = []
    others = [path for path in tracked_files(project_root) if path != Path(__file__)]
    for path in others:
        lines = path.read_bytes().decode(errors="replace").splitlines()
        found += [f"{path}:{number}: {line}" for number, line in enumerate(lines, 1) if FOREIGN.search(line)]
    assert found == []


@pytest.mark.parametrize("line", ["cd /home/me/fairlead", "pip --index-url https://x", "index-url = https://x"])
def test_a_foreign_address_is_found(line: str) -> None:
    assert FOREIGN.search(line)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_root_package_offers_what_is_listed(package: str) -> None:
    module = importlib.import_module(package)
    names = {name for name, value in vars(module).items() if name[0] != "_" and not isinstance(value, ModuleType)}
    assert names == PUBLIC_NAMES[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_root_package_is_typed(package: str, project_root: Path) -> None:
    assert (project_root / package / "py.typed").is_file()


def test_the_readme_opens_with_the_two_commands(project_root: Path) -> None:
    readme = (project_root / "README.md").read_text()
    _, first_block, _ = readme.split("```", 2)
    assert [line.split("#")[0].strip() for line in first_block.splitlines()[1:]] == ["make demo", "make test"]
