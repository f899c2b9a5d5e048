"""What tests of clusters share: a cluster under a policy, and readers of parts of it."""

from typing import Any

import msgspec

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, rule, service
from translator.decode import decode_record
from translator.model.proxy import Capture
from translator.objects.mesh_config import MeshConfig

WEB = "outbound|80||web.default.svc.cluster.local"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# A ServiceEntry of some resolution, and its cluster.
ENTRY = """
{hosts: [a.com], ports: [{number: 443, name: https, protocol: HTTPS}, {number: 80, name: http, protocol: HTTP}],
 resolution: %s %s}
"""
A_COM = "outbound|80||a.com"
UNLIMITED = 2**32 - 1
UNCAPTURED = msgspec.structs.replace(SIDECAR, capture=Capture.NONE)


def with_policy(policy: str, *, protocol: str = "http", mesh: MeshConfig | None = None) -> dict[str, Any]:
    """The cluster of a service port under a traffic policy, in proto JSON."""
    texts = [service(ports=f"{{name: {protocol}, port: 80}}")]
    if policy:
        texts.append(rule(f"trafficPolicy: {policy}"))
    return Mesh(*texts, mesh=mesh).shown(WEB)


def http_options(cluster: dict[str, Any]) -> dict[str, Any] | None:
    """The HTTP protocol options of a cluster."""
    options: dict[str, Any] = dict(cluster.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {}))
    options.pop("@type", None)
    return options or None


def thresholds(cluster: dict[str, Any]) -> dict[str, Any]:
    """The one set of circuit breakers of a cluster."""
    (only,) = cluster["circuit_breakers"]["thresholds"]
    found: dict[str, Any] = only
    return found


def mesh_config(text: dict[str, Any]) -> MeshConfig:
    """Mesh settings from their YAML form."""
    found, violations = decode_record(text, MeshConfig)
    assert found is not None, violations
    return found
