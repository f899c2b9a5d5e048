"""The discovery methods that the server answers, by their full gRPC names.

Aggregated methods carry all types and name the type in every request; the per-type services imply it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from xds.types import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
    TypeUrl,
)


class Form(Enum):
    """How a method speaks."""

    SOTW = "Stream"
    DELTA = "Delta"
    FETCH = "Fetch"


@dataclass(frozen=True, slots=True)
class Method:
    """One discovery method; ``type_url`` is None where a stream may carry any type."""

    name: str
    form: Form
    type_url: TypeUrl | None


_ADS: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService"

_ALL_FORMS: Final = (Form.SOTW, Form.DELTA, Form.FETCH)
_SERVICES: Final = (
    ("envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters", CLUSTER, _ALL_FORMS),
    ("envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints", ENDPOINT, _ALL_FORMS),
    ("envoy.service.listener.v3.ListenerDiscoveryService", "Listeners", LISTENER, _ALL_FORMS),
    ("envoy.service.route.v3.RouteDiscoveryService", "Routes", ROUTE, _ALL_FORMS),
    ("envoy.service.route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes", SCOPED_ROUTE, _ALL_FORMS),
    ("envoy.service.route.v3.VirtualHostDiscoveryService", "VirtualHosts", VIRTUAL_HOST, (Form.DELTA,)),
    ("envoy.service.secret.v3.SecretDiscoveryService", "Secrets", SECRET, _ALL_FORMS),
    ("envoy.service.runtime.v3.RuntimeDiscoveryService", "Runtime", RUNTIME, _ALL_FORMS),
    ("envoy.service.extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs", EXTENSION_CONFIG, _ALL_FORMS),
)


def _methods() -> Iterator[Method]:
    yield Method(f"{_ADS}/StreamAggregatedResources", Form.SOTW, None)
    yield Method(f"{_ADS}/DeltaAggregatedResources", Form.DELTA, None)
    for service, noun, type_url, forms in _SERVICES:
        for form in forms:
            yield Method(f"/{service}/{form.value}{noun}", form, type_url)


METHODS: Final[Mapping[str, Method]] = {method.name: method for method in _methods()}
