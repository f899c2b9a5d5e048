"""A real Envoy beside the simulated ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.address import Address
from fairlead.bench.load import namespace_name
from fairlead.bench.messages import Endpoint
from fairlead.bench.plan import Plan
from fairlead.bootstrap import BootstrapSettings
from fairlead.identity import ProxyIdentity
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.proxy import Proxy
from translator.model.proxy import Capture, Role


@asynccontextmanager
async def real_envoy(plan: Plan, endpoint: Endpoint, workdir: Path) -> AsyncIterator[None]:
    """A sidecar of the first namespace that has the whole configuration when the block is entered.

    EnvoyMissingError when there is no Envoy here.
    """
    with Addresses() as addresses:
        identity = ProxyIdentity(
            role=Role.SIDECAR,
            name="envoy",
            namespace=namespace_name(0),
            addresses=(addresses.ip(),),
            capture=Capture.NONE,
        )
        settings = BootstrapSettings(
            xds=Address(endpoint.host, endpoint.port), admin_port=addresses.port(), delta=endpoint.delta
        )
        expected = plan.shape.services // plan.shape.namespaces if plan.shape.scoped else plan.shape.services
        async with Proxy(identity, settings, workdir) as envoy:
            await envoy.wait_config(lambda config: len(config.endpoints) >= expected, plan.timeout)
            yield
