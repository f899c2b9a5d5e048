"""Kubernetes' own objects: what Envoy would refuse, and what it can serve."""

import pytest

from tests.unit.translator.validation.judge import object_of
from translator.validation import is_acceptable, validate

BROKEN = [
    ("Service", "{spec: {ports: [{port: 0}]}}", "spec.ports[0].port"),
    ("Service", "{spec: {ports: [{port: 80, targetPort: 70000}]}}", "spec.ports[0].targetPort"),
    ("Service", "{spec: {ports: [{port: 80}, {port: 80}]}}", "spec.ports[1].port"),
    ("Service", "{spec: {clusterIP: here}}", "spec.clusterIP"),
    ("Service", "{spec: {clusterIPs: [10.0.0.1, here]}}", "spec.clusterIPs[1]"),
    ("Service", "{metadata: {name: a.b}}", "metadata.name"),
    ("EndpointSlice", "{endpoints: [{addresses: [here]}]}", "endpoints[0].addresses[0]"),
    ("EndpointSlice", "{ports: [{port: 0}]}", "ports[0].port"),
    ("Pod", "{status: {podIP: here}}", "status.podIP"),
    ("Pod", "{status: {podIPs: [{ip: here}]}}", "status.podIPs[0].ip"),
]


@pytest.mark.parametrize(("kind", "text", "path"), BROKEN)
def test_what_envoy_would_refuse_is_refused(kind: str, text: str, path: str) -> None:
    violations = validate(object_of(kind, text))

    assert [violation.path for violation in violations] == [path]
    assert not is_acceptable(violations)


SOUND = [
    ("Service", "{spec: {clusterIP: None, ports: [{port: 80, targetPort: http}, {port: 80, protocol: UDP}]}}"),
    ("Service", "{spec: {type: ExternalName, externalName: a.example.com}}"),
    ("EndpointSlice", "{addressType: FQDN, endpoints: [{addresses: [a.example.com]}]}"),
    ("EndpointSlice", "{endpoints: null, ports: null}"),
    ("Pod", "{status: {phase: Pending}}"),
    ("Namespace", "{}"),
]


@pytest.mark.parametrize(("kind", "text"), SOUND)
def test_what_envoy_can_serve_passes(kind: str, text: str) -> None:
    assert validate(object_of(kind, text)) == ()
