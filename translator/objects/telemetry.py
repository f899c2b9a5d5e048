"""Telemetry (telemetry.istio.io), kept as it was written."""

from translator.objects.meta import MeshObject


class Telemetry(MeshObject, frozen=True, kw_only=True):
    """Access logs, traces and metrics of some workloads."""

    spec: dict[str, object] = {}
