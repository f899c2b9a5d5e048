"""A mesh in memory, and questions to its proxies."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.unit.translator.mesh_kit import writes
from translator.model.proxy import Proxy, Role
from translator.objects.mesh_config import MeshConfig
from translator.settings import Settings
from translator.simulation.outcome import Outcome
from translator.simulation.simulator import simulate
from translator.simulation.snapshot import Snapshot
from translator.simulation.traffic import Connection, Request
from translator.translator import Translator

SIDECAR = Proxy(
    role=Role.SIDECAR,
    name="client",
    namespace="default",
    addresses=("10.9.9.9",),
    labels=(("app", "client"),),
    dns_domain="default.svc.cluster.local",
)
GATEWAY = msgspec.structs.replace(
    SIDECAR,
    role=Role.GATEWAY,
    name="gateway",
    namespace="edge",
    labels=(("app", "gw"),),
    dns_domain="edge.svc.cluster.local",
)


class Stage:
    """A translator with the objects of some YAML texts."""

    def __init__(self, *texts: str, mesh: Mapping[str, Any] | None = None) -> None:
        settings = Settings(mesh=msgspec.convert(dict(mesh or {}), MeshConfig))
        self._translator = Translator(settings)
        self.add(*texts)

    def add(self, *texts: str) -> None:
        """Create or replace objects."""
        self._translator.apply(write for text in texts for write in writes(text))

    def connect(self, proxy: Proxy, connection: Connection, request: Request | None = None) -> tuple[Outcome, ...]:
        """Where a connection to a proxy, or a request on it, ends."""
        binding = self._translator.bind(proxy)
        for _ in binding.view.refresh():
            pass
        binding.view.commit()
        return simulate(Snapshot(binding.view), connection, request)

    def call(self, host: str, path: str = "/", *, port: int = 80, proxy: Proxy = SIDECAR, **more: Any) -> str:  # noqa: ANN401 - fields of a request
        """Where a GET by an intercepted client of a sidecar ends, or one to a gateway, in a few words."""
        intercepted = proxy.role is Role.SIDECAR
        address = "10.255.0.1" if intercepted else "10.9.9.9"
        return tell(
            self.connect(
                proxy,
                Connection(address=address, port=port, intercepted=intercepted),
                Request(host=host, path=path, **more),
            )
        )


def tell(outcomes: tuple[Outcome, ...]) -> str:
    """Outcomes in a few words: the cluster or the status, with the share where there are several."""
    assert abs(sum(each.share for each in outcomes) - 1) < 1e-9
    words = [" ".join(filter(None, (_end(each), each.flag, each.location))) for each in outcomes]
    if len(outcomes) == 1:
        return words[0]
    return ", ".join(f"{word} {each.share:.0%}" for word, each in zip(words, outcomes, strict=True))


def _end(outcome: Outcome) -> str:
    if outcome.upstream is not None:
        return outcome.upstream.cluster
    return outcome.body.decode() or str(outcome.status or outcome.ending)
