"""What the tables of rules share: decodes a specification written as YAML and says what validation thinks of it."""

from collections.abc import Sequence

import yaml

from translator.decode import decode_object
from translator.diagnostics import Severity
from translator.objects.meta import MeshObject
from translator.validation import validate

# A specification, the path of the only fault in it, and a part of the reason.
Row = tuple[str, str, str]

_API_VERSIONS = {
    "EndpointSlice": "discovery.k8s.io/v1",
    "Service": "v1",
    "Pod": "v1",
    "Namespace": "v1",
    "PeerAuthentication": "security.istio.io/v1",
    "AuthorizationPolicy": "security.istio.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "Gateway.gateway.networking.k8s.io": "gateway.networking.k8s.io/v1",
}


def object_of(kind: str, text: str, *, metadata: str = "{}") -> MeshObject:
    """The object of a namespace "shop" whose other parts ``text`` spells; it must decode."""
    document = {
        "apiVersion": _API_VERSIONS.get(kind, "networking.istio.io/v1"),
        "kind": kind.partition(".")[0],
        "metadata": {"name": "subject", "namespace": "shop", **yaml.safe_load(metadata)},
        **yaml.safe_load(text),
    }
    decoded = decode_object(document)
    assert decoded.object is not None, decoded.violations
    return decoded.object


def errors(kind: str, spec: str, *, metadata: str = "{}") -> list[tuple[str, str]]:
    """(path, reason) of every violation that keeps the object out."""
    return _violations(kind, spec, metadata, Severity.ERROR)


def warnings(kind: str, spec: str, *, metadata: str = "{}") -> list[tuple[str, str]]:
    """(path, reason) of every violation that does not."""
    return _violations(kind, spec, metadata, Severity.WARNING)


def row_ids(rows: Sequence[Row]) -> list[str]:
    """Readable names for the rows of a table."""
    return [f"{path}: {reason}" for _, path, reason in rows]


def _violations(kind: str, spec: str, metadata: str, severity: Severity) -> list[tuple[str, str]]:
    found = validate(object_of(kind, f"{{spec: {spec}}}", metadata=metadata))
    return [(violation.path, violation.reason) for violation in found if violation.severity is severity]


def malformed(kind: str, spec: str) -> list[tuple[str, str]]:
    """(path, reason) of what keeps an object from being read at all."""
    document = {
        "apiVersion": _API_VERSIONS.get(kind, "networking.istio.io/v1"),
        "kind": kind,
        "metadata": {"name": "subject", "namespace": "shop"},
        "spec": yaml.safe_load(spec),
    }
    return [(violation.path, violation.reason) for violation in decode_object(document).violations]
