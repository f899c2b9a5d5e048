"""What the control plane expects of a source."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import msgspec
from prometheus_client.registry import Collector

from fairlead.authentication.token import TokenVerifier
from fairlead.finding import Finding, Place
from fairlead.settings import KubernetesSettings
from fairlead.sources.batch import Sink
from translator.objects.registry import ObjectKey


class Source(Protocol):
    """Where the objects of the mesh come from. An async context manager, for what it holds open."""

    def place_of(self, key: ObjectKey, path: str = "") -> Place | None:
        """Where the version of an object that is in force stands, or a field of it; None if nobody knows."""

    def describe(self) -> dict[str, Any]:
        """What is followed: fields of a log record."""

    def complaint(self) -> str:
        """Why what is known may be old or incomplete; empty if all is well."""

    async def load(self, sink: Sink) -> None:
        """Hand over everything for the first time."""

    async def follow(self, sink: Sink) -> None:
        """Hand over every change, until cancelled."""

    async def settled(self) -> None:
        """Wait until what the mesh asked for by name was looked up."""

    async def __aenter__(self) -> Self:
        """Start."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and let go of everything."""


@runtime_checkable
class ClusterSource(Source, Protocol):
    """A source whose objects come from clusters, and can be written to there.

    ``observer`` sees the documents of the objects of the configuration's cluster, which is ``primary``.
    """

    settings: KubernetesSettings
    observer: Callable[[Any, ObjectKey, msgspec.Raw | None], None]

    @property
    def connection(self) -> Any:  # noqa: ANN401 - that of the Kubernetes client, which is not imported for folders
        """The connection to the configuration's cluster."""

    def findings_of(self, key: ObjectKey) -> tuple[Finding, ...]:
        """What is wrong with the newest version of an object, in force or not."""

    def states(self) -> list[Any]:
        """How every cluster is doing."""

    def token_verifier(self, audience: str) -> TokenVerifier:
        """Who verifies tokens for an audience: the API server of the configuration's cluster."""

    def collector(self) -> Collector:
        """What Prometheus is told about the clusters."""
