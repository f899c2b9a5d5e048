"""What a source hands over: writes that belong together, and since when it knew of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from fairlead.finding import Finding
from translator.database import DnsName
from translator.objects.mesh_config import MeshConfig
from translator.objects.mesh_networks import MeshNetworks
from translator.store import Write


class Batch(NamedTuple):
    """Writes to be applied together. ``received`` is when the first of them was noticed (``time.perf_counter``).

    ``findings`` is all that is wrong with what the source holds now, None if that is the same as before; ``mesh`` the
    mesh-wide configuration and ``networks`` the networks, None where the source has nothing to say about them;
    ``addresses`` are those of DNS names that were looked up.
    """

    writes: list[Write]
    received: float
    findings: tuple[Finding, ...] | None = None
    mesh: MeshConfig | None = None
    networks: MeshNetworks | None = None
    addresses: Mapping[DnsName, tuple[str, ...]] | None = None


Sink = Callable[[Batch], Awaitable[None]]
