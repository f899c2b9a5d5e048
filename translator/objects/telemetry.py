"""Telemetry (telemetry.istio.io), kept as it was written."""

from translator.objects.meta import Metadata, Record


class Telemetry(Record, frozen=True, kw_only=True):
    """Access logs, traces and metrics of some workloads."""

    metadata: Metadata
    spec: dict[str, object] = {}
