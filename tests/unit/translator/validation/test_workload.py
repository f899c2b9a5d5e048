"""Every rule for WorkloadEntry and WorkloadGroup: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import errors, malformed, warnings

BROKEN = [
    ("WorkloadEntry", "{}", "spec.address", "must not be empty"),
    ("WorkloadEntry", "{address: a_b}", "spec.address", "neither an IP address nor a DNS name"),
    ("WorkloadEntry", "{address: 'unix://a'}", "spec.address", "absolute path"),
    ("WorkloadEntry", "{address: 'unix:///a/'}", "spec.address", "absolute path"),
    ("WorkloadEntry", "{address: 'unix:///a', ports: {http: 80}}", "spec.ports", "has no ports"),
    ("WorkloadEntry", "{address: 10.0.0.1, ports: {a_b: 80}}", "spec.ports[a_b]", "not a port name"),
    ("WorkloadEntry", "{address: 10.0.0.1, ports: {http: 0}}", "spec.ports[http]", "1..65535"),
    ("WorkloadEntry", "{address: 10.0.0.1, labels: {'a b': c}}", "spec.labels[a b]", "not a label key"),
    ("WorkloadGroup", "{template: {}, metadata: {labels: {a: 'b c'}}}", "spec.metadata.labels[a]", "label value"),
    ("WorkloadGroup", "{template: {labels: {'': c}}}", "spec.template.labels[]", "not a label key"),
    ("WorkloadGroup", "{template: {ports: {a_b: 80}}}", "spec.template.ports[a_b]", "not a port name"),
    ("WorkloadGroup", "{template: {ports: {http: 70000}}}", "spec.template.ports[http]", "1..65535"),
    ("WorkloadGroup", "{template: {}, probe: {}}", "spec.probe", "exactly one of"),
    ("WorkloadGroup", "{template: {}, probe: {exec: {command: [a]}, grpc: {port: 1}}}", "spec.probe", "exactly one"),
    ("WorkloadGroup", "{template: {}, probe: {httpGet: {port: 0}}}", "spec.probe.httpGet.port", "1..65535"),
    (
        "WorkloadGroup",
        "{template: {}, probe: {httpGet: {port: 1, scheme: http}}}",
        "spec.probe.httpGet.scheme",
        "neither HTTP nor HTTPS",
    ),
    (
        "WorkloadGroup",
        "{template: {}, probe: {httpGet: {port: 1, httpHeaders: [{name: 'a b'}]}}}",
        "spec.probe.httpGet.httpHeaders[0].name",
        "not a header name",
    ),
    ("WorkloadGroup", "{template: {}, probe: {tcpSocket: {port: 0}}}", "spec.probe.tcpSocket.port", "1..65535"),
    ("WorkloadGroup", "{template: {}, probe: {grpc: {}}}", "spec.probe.grpc.port", "1..65535"),
    ("WorkloadGroup", "{template: {}, probe: {exec: {}}}", "spec.probe.exec.command", "must not be empty"),
    *(
        (
            "WorkloadGroup",
            f"{{template: {{}}, probe: {{tcpSocket: {{port: 1}}, {field}: -1}}}}",
            f"spec.probe.{field}",
            "negative",
        )
        for field in (
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        )
    ),
]


@pytest.mark.parametrize(
    ("kind", "spec", "path", "reason"), BROKEN, ids=[f"{row[0]} {row[2]}: {row[3]}" for row in BROKEN]
)
def test_case_48_a_broken_rule_is_reported_once_at_its_field(kind: str, spec: str, path: str, reason: str) -> None:
    found = errors(kind, spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


SOUND = [
    ("WorkloadEntry", "{address: 10.0.0.1, ports: {http: 8080}, labels: {app: a}, serviceAccount: a}"),
    ("WorkloadEntry", "{address: vm.example.com}"),
    ("WorkloadEntry", "{address: 'unix://@abstract'}"),
    ("WorkloadGroup", "{template: {serviceAccount: a, ports: {http: 80}}}"),
    ("WorkloadGroup", "{template: {}, probe: {httpGet: {port: 80, path: /, scheme: HTTPS}, periodSeconds: 4}}"),
]


@pytest.mark.parametrize(("kind", "spec"), SOUND)
def test_a_sound_specification_passes_without_a_word(kind: str, spec: str) -> None:
    assert errors(kind, spec) == []
    assert warnings(kind, spec) == []


def test_case_48_a_workload_behind_the_gateway_of_its_network_is_a_warning() -> None:
    spec = "{network: n1}"

    assert [path for path, _ in warnings("WorkloadEntry", spec)] == ["spec.address"]
    assert errors("WorkloadEntry", spec) == []


def test_case_48_a_group_needs_a_template() -> None:
    assert malformed("WorkloadGroup", "{}") == [("spec.template", "required field is missing")]
