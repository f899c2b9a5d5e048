"""docker-compose.yml without Docker: the file is valid, and its commands, run as processes, make a working mesh."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from compose_spec import PyOptions

from fairlead.mesh.clients import HttpClient
from fairlead.mesh.netns import Account, NamespaceNetwork
from fairlead.mesh.process import ChildProcess
from fairlead.mesh.waiting import NotYetError, wait_until

SUBNET = IPv4Network("172.30.0.0/24")
ENVOY_IMAGE = "envoyproxy/envoy"
SCRIPTS = Path(sysconfig.get_path("scripts"))


Services = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def services(project_root: Path) -> Services:
    """The services of the project's compose file."""
    services: Services = yaml.safe_load((project_root / "docker-compose.yml").read_text())["services"]
    return services


def test_the_file_follows_the_compose_specification(project_root: Path, services: Services) -> None:
    parsed = PyOptions(apply_merge=True).from_yaml((project_root / "docker-compose.yml").read_text())
    parsed.validate()
    assert set(parsed.service_names()) == services.keys()


def test_it_has_the_parts_that_make_a_mesh(services: Services) -> None:
    assert {"control-plane", "gateway", "reviews", "ratings"} <= services.keys()
    for name in ("reviews", "ratings"):
        assert services[f"{name}-sidecar"]["network_mode"] == f"service:{name}"
        assert services[f"{name}-intercept"]["cap_add"] == ["NET_ADMIN", "NET_RAW"]


def test_the_image_is_of_the_envoy_that_is_tested(services: Services) -> None:
    version = subprocess.run([SCRIPTS / "envoy", "--version"], capture_output=True, text=True, check=True).stdout
    images = {service["image"] for service in services.values()}
    tags = {image.rpartition(":v")[2] for image in images if image.startswith(ENVOY_IMAGE)}
    assert len(tags) == 1
    assert f"/{tags.pop()}/" in version


class Containers:
    """The services of the compose file as processes, each in the namespace that stands for its network."""

    def __init__(self, services: Services, root: Path, workdir: Path) -> None:
        self.services = services
        self.config = workdir / "config"
        shutil.copytree(root / "examples" / "compose" / "config", self.config)
        bootstraps = workdir / "bootstraps"
        bootstraps.mkdir()
        self._folders = {
            "/bootstraps": str(bootstraps),
            "/compose": str(root / "examples" / "compose"),
            "/config": str(self.config),
        }
        self._root = root
        self._workdir = workdir
        self.addresses = {
            name: str(service["networks"]["mesh"]["ipv4_address"])
            for name, service in services.items()
            if "networks" in service
        }
        self.running: dict[str, ChildProcess] = {}

    def prepare(self, network: NamespaceNetwork) -> None:
        """What runs once and ends."""
        command = self.command("bootstraps")
        path = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
        subprocess.run(command, check=True, capture_output=True, env=path, cwd=self._root)
        for name in self.services:
            if name.endswith("-intercept"):
                pod = network.namespace(self.addresses[self.network(name)])
                subprocess.run(pod.command(self.command(name)), check=True, capture_output=True)

    async def start(self, network: NamespaceNetwork, running: AsyncExitStack) -> None:
        """What runs on."""
        for name, service in self.services.items():
            if name != "bootstraps" and not name.endswith("-intercept"):
                pod = network.namespace(self.addresses[self.network(name)])
                command = pod.command(self.command(name), self._account(service))
                process = ChildProcess(name, command, self._workdir / f"{name}.log")
                self.running[name] = await running.enter_async_context(process)

    def command(self, name: str) -> tuple[str, ...]:
        """The command of a service, with the folders of this machine and the programs of this environment."""
        service = self.services[name]
        entrypoint = [str(each) for each in service.get("entrypoint") or self._default_entrypoint(service)]
        arguments = [str(each) for each in service.get("command", ())]
        if entrypoint[0] == "python":
            entrypoint[0] = sys.executable
        if entrypoint[0] == "sh":
            entrypoint[0] = shutil.which("sh") or "sh"
        return tuple(self._here(each) for each in (*entrypoint, *arguments))

    def network(self, name: str) -> str:
        """Whose network namespace a service uses."""
        mode: str = self.services[name].get("network_mode", "")
        return mode.removeprefix("service:") if mode.startswith("service:") else name

    def describe(self) -> str:
        """The ends of all logs."""
        return "\n".join(process.describe() for process in self.running.values())

    @staticmethod
    def _default_entrypoint(service: dict[str, Any]) -> list[str]:
        if service["image"].startswith(ENVOY_IMAGE):
            # Two Envoys of one machine, which containers are not, need different shared memory.
            return [str(SCRIPTS / "envoy"), "--use-dynamic-base-id"]
        program = [str(SCRIPTS / "fairlead")]
        return [*program, "iptables"] if service["image"] == "fairlead-intercept" else program

    def _here(self, argument: str) -> str:
        for folder, here in self._folders.items():
            if argument == folder or argument.startswith(f"{folder}/"):
                return here + argument.removeprefix(folder)
        return argument

    @staticmethod
    def _account(service: dict[str, Any]) -> Account | None:
        if service.get("user") in (None, "root"):
            return None
        user, _, group = service["user"].partition(":")
        # The checkout may be readable by its owner only; the image is readable by all.
        return Account(int(user), int(group), ("dac_override",))


@pytest.fixture
def containers(services: Services, project_root: Path, tmp_path: Path) -> Containers:
    """The services, not started."""
    return Containers(services, project_root, tmp_path)


@pytest.fixture
def network(containers: Containers) -> Iterator[NamespaceNetwork]:
    """The network of the compose file."""
    with NamespaceNetwork(f"compose-{os.getpid()}", SUBNET) as network:
        for name, address in containers.addresses.items():
            network.add(name, address)
        yield network


@pytest_asyncio.fixture(loop_scope="session")
async def mesh(containers: Containers, network: NamespaceNetwork) -> AsyncIterator[Containers]:
    """The services, started."""
    containers.prepare(network)
    async with AsyncExitStack() as running:
        await containers.start(network, running)
        yield containers


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: Containers, network: NamespaceNetwork) -> AsyncIterator[HttpClient]:
    """Somebody on the host who calls the gateway."""
    async with HttpClient(f"{mesh.addresses['gateway']}:8080", network.hub) as client:
        yield client


async def test_its_commands_make_a_mesh_that_follows_its_folder(
    mesh: Containers, network: NamespaceNetwork, client: HttpClient
) -> None:
    async def stars() -> object:
        answer = await client.get("/reviews/0")
        if answer.status != 200:
            raise NotYetError(str(answer))
        return answer.json["reviews"][0].get("rating")

    async def with_stars() -> None:
        seen = await stars()
        if not (isinstance(seen, dict) and "stars" in seen):
            raise NotYetError(f"rating: {seen}")

    async def without_stars() -> None:
        seen = await stars()
        if isinstance(seen, dict) and "stars" in seen:
            raise NotYetError(f"rating: {seen}")

    await wait_until(with_stars, deadline=30, context=mesh.describe)
    inbound = _counter(mesh, network, "ratings", "http.inbound_0.0.0.0_9080;.downstream_rq_2xx")
    outbound = _counter(mesh, network, "reviews", "http.outbound_0.0.0.0_9080;.downstream_rq_2xx")
    assert inbound > 0
    assert outbound > 0

    routes = mesh.config / "routes.yaml"
    routes.write_text(routes.read_text().replace("value: 0}", "value: 100}"))
    await wait_until(without_stars, deadline=30, context=mesh.describe)


def _counter(mesh: Containers, network: NamespaceNetwork, service: str, name: str) -> int:
    """A counter of a service's sidecar, asked from inside its namespace: what the sidecar really saw."""
    ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:15000/stats').read().decode())"
    pod = network.namespace(mesh.addresses[service])
    done = subprocess.run(pod.command((sys.executable, "-c", ask)), capture_output=True, text=True, check=True)
    lines = dict(line.rpartition(": ")[::2] for line in done.stdout.splitlines())
    assert name in lines, "\n".join(key for key in lines if "downstream_rq_2xx" in key) + mesh.describe()
    return int(lines[name])
