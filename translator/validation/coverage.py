"""What is accepted and checked, but does not shape any Envoy configuration yet: users are told, not left to guess.

Whoever translates a field takes its line out of the table; whoever accepts one without translating it adds a line.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

import msgspec

from translator.diagnostics import Severity, Violation
from translator.model.proxy_config import ProxySettings
from translator.objects.mesh_config import MeshConfig
from translator.objects.meta import MeshObject
from translator.objects.registry import KINDS, Kind


@dataclass(frozen=True, slots=True)
class Gap:
    """A field that is not translated: ``spec.http[].fault``, with ``[]`` for each item of an array or map.

    An empty path stands for the whole kind. ``note`` says what users can do instead. ``value`` narrows the gap to
    one value of the field, where the others are translated; a ``*`` in it stands for anything.
    """

    kind: Kind
    path: str = ""
    note: str = ""
    value: str | None = None


_TRAFFIC_POLICIES: Final = ("spec.trafficPolicy", "spec.subsets[].trafficPolicy")

_TOKENS: Final = "RequestAuthentication is not translated, so that no request is known to have a token"

GAPS: Final = (
    Gap(Kind.ENVOY_FILTER),
    Gap(Kind.PROXY_CONFIG),
    Gap(Kind.WASM_PLUGIN),
    Gap(Kind.TRAFFIC_EXTENSION),
    Gap(Kind.REQUEST_AUTHENTICATION),
    Gap(Kind.AUTHORIZATION_POLICY, "spec.action", "nobody is asked, the policy has no effect", "CUSTOM"),
    *(
        Gap(Kind.AUTHORIZATION_POLICY, f"spec.rules[].from[].source.{field}", _TOKENS)
        for field in ("requestPrincipals", "notRequestPrincipals")
    ),
    Gap(Kind.AUTHORIZATION_POLICY, "spec.rules[].when[].key", _TOKENS, "request.auth.*"),
    *(
        Gap(Kind.AUTHORIZATION_POLICY, f"spec.{field}.kind", "there is no ambient mode", kind)
        for field in ("targetRef", "targetRefs[]")
        for kind in ("Service", "ServiceEntry", "GatewayClass")
    ),
    Gap(Kind.TELEMETRY),
    Gap(Kind.WORKLOAD_GROUP),
    Gap(Kind.GATEWAY, "spec.listeners[].protocol", "routes of kind TLSRoute and TCPRoute are not read", "TLS"),
    Gap(Kind.GATEWAY, "spec.listeners[].protocol", "routes of kind TLSRoute and TCPRoute are not read", "TCP"),
    Gap(Kind.HTTP_ROUTE, "spec.rules[].sessionPersistence"),
    Gap(Kind.HTTP_ROUTE, "spec.useDefaultGateways"),
    Gap(Kind.ISTIO_GATEWAY, "spec.servers[].defaultEndpoint"),
    Gap(Kind.VIRTUAL_SERVICE, "spec.tcp[].match[].sourceSubnet"),
    *(
        Gap(Kind.DESTINATION_RULE, f"{policy}.retryBudget.budgetInterval", "Envoy counts the requests of the moment")
        for policy in _TRAFFIC_POLICIES
    ),
)

# The same of MeshConfig: what there is to say about it, by path.
SETTINGS_GAPS: Final[Mapping[str, str]] = {
    "hboneIdleTimeout": "there is no ambient mode",
    "ingressClass": "Ingress is not translated",
    "ingressService": "Ingress is not translated",
    "ingressControllerMode": "Ingress is not translated",
    "ingressSelector": "Ingress is not translated",
    "enableTracing": "requests are not traced",
    "enableEnvoyAccessLogService": "access logs are written to files",
    "outboundTrafficPolicy.tls": "",
    "configSources": "the objects come from where the command line says",
    "caCertificates[].pem": "",
    "caCertificates[].spiffeBundleUrl": "",
    "caCertificates[].certSigners": "",
    "certificates": "deprecated by Istio",
    "serviceScopeConfigs": "there is no ambient mode",
    "enablePrometheusMerge": "it is for what runs beside the proxies",
    "verifyCertificateAtClient": "the names in certificates are always verified where they are known",
    "ca": "",
    "extensionProviders": "",
    "defaultProviders.tracing": "",
    "defaultProviders.metrics": "",
    "defaultProviders.accessLogging": "",
}
# What is read of ``defaultConfig``; the rest is for what starts proxies.
_READ_OF_PROXIES: Final = frozenset(
    {"discoveryAddress", *(field.encode_name for field in msgspec.structs.fields(ProxySettings))}
)
_KIND_OF: Final = {spec.struct: spec.kind for spec in KINDS}


def untranslated(obj: MeshObject, gaps: Iterable[Gap] = GAPS) -> tuple[Violation, ...]:
    """A warning for everything that ``obj`` sets and that has no effect."""
    kind = _KIND_OF[type(obj)]
    return tuple(
        Violation(path, _reason(gap.note), Severity.WARNING)
        for gap in gaps
        if gap.kind is kind
        for path, value in _find_set(obj, gap.path.split(".") if gap.path else [], "")
        if gap.value is None or (isinstance(value, str) and fnmatchcase(value, gap.value))
    )


def untranslated_settings(mesh: MeshConfig) -> tuple[Violation, ...]:
    """A warning for everything that the settings of the mesh say and that has no effect."""
    found = [
        Violation(place, _reason(note), Severity.WARNING)
        for path, note in SETTINGS_GAPS.items()
        for place, _ in _find_set(mesh, path.split("."), "")
    ]
    found += (
        Violation(f"defaultConfig.{name}", _reason("proxies are not configured from here"), Severity.WARNING)
        for name in mesh.default_config
        if name not in _READ_OF_PROXIES
    )
    return tuple(found)


def _reason(note: str) -> str:
    return f"accepted but not translated yet{f': {note}' if note else ''}"


def _find_set(value: object, steps: list[str], path: str) -> Iterator[tuple[str, object]]:
    """The places that ``steps`` lead to from ``value``, and what is set there, unless it is the default."""
    if not steps:
        yield path, value
        return
    if not isinstance(value, msgspec.Struct):
        return
    name = steps[0].removesuffix("[]")
    field = _fields(type(value))[name]
    child = getattr(value, field.name)
    if child is None or child == _default(field):
        return
    here = f"{path}.{name}" if path else name
    if name == steps[0]:
        yield from _find_set(child, steps[1:], here)
        return
    for key, item in sorted(child.items()) if isinstance(child, dict) else enumerate(child):
        yield from _find_set(item, steps[1:], f"{here}[{key}]")


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


@cache
def _fields(record: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(record)}
