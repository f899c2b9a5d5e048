"""Every rule for ServiceEntry: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, malformed, row_ids, warnings

HTTP = "{number: 80, name: http, protocol: HTTP}"
TCP = "{number: 9000, name: tcp, protocol: TCP}"


def entry(text: str, *, hosts: str = "[a.example.com]", ports: str = f"[{HTTP}]") -> str:
    return f"{{hosts: {hosts}, ports: {ports}, {text}}}"


def static(endpoint: str, *, ports: str = f"[{HTTP}]") -> str:
    return entry(f"resolution: STATIC, endpoints: [{{{endpoint}}}]", ports=ports)


def dns(endpoint: str) -> str:
    return entry(f"resolution: DNS, endpoints: [{{{endpoint}}}]")


DYNAMIC = "resolution: DYNAMIC_DNS"
BROKEN: list[Row] = [
    # hosts
    (entry("resolution: STATIC", hosts="[]"), "spec.hosts", "at least one host"),
    (entry("resolution: STATIC", hosts="['*']"), "spec.hosts[0]", "cannot be a service"),
    (entry("resolution: STATIC", hosts="['a.*.com']"), "spec.hosts[0]", "not a DNS name"),
    (entry("resolution: STATIC", hosts="[a.com, b.com]", ports=f"[{TCP}]"), "spec.hosts", "cannot be told apart"),
    # addresses
    (entry("addresses: [x]"), "spec.addresses[0]", "nor a subnet"),
    (entry("addresses: [10.0.0.0/33]"), "spec.addresses[0]", "nor a subnet"),
    (entry("resolution: DNS, addresses: [10.0.0.0/8]"), "spec.addresses[0]", "NONE and STATIC only"),
    # ports
    (entry("", ports="[{number: 80, name: a_b}]"), "spec.ports[0].name", "not a port name"),
    (entry("", ports="[{number: 0, name: a}]"), "spec.ports[0].number", "1..65535"),
    (entry("", ports="[{number: 80, name: a, targetPort: 70000}]"), "spec.ports[0].targetPort", "1..65535"),
    (entry("", ports="[{number: 80, name: a, protocol: FOO}]"), "spec.ports[0].protocol", "unknown protocol"),
    (entry("", ports="[{number: 80, name: a}, {number: 81, name: a}]"), "spec.ports[1].name", "given twice"),
    (entry("", ports="[{number: 80, name: a}, {number: 80, name: b}]"), "spec.ports[1].number", "given twice"),
    # selector, scope
    (
        entry("resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 10.0.0.1}]"),
        "spec.endpoints",
        "cannot be combined with workloadSelector",
    ),
    (
        entry("resolution: STATIC, workloadSelector: {labels: {a: 'b*'}}"),
        "spec.workloadSelector.labels[a]",
        "wildcards",
    ),
    (entry("exportTo: ['~', shop]"), "spec.exportTo", "cannot be combined"),
    (entry("exportTo: [a_b]"), "spec.exportTo[0]", "nor the name of a namespace"),
    (entry("exportTo: ['*', shop]"), "spec.exportTo", "cannot be combined"),
    # resolutions
    (entry("endpoints: [{address: 10.0.0.1}]"), "spec.endpoints", "resolution NONE"),
    (static("address: a.example.com"), "spec.endpoints[0].address", "not an IP address"),
    (static("address: ''"), "spec.endpoints[0].address", "must not be empty"),
    (static("address: 10.0.0.1, ports: {grpc: 80}"), "spec.endpoints[0].ports[grpc]", "no port 'grpc'"),
    (static("address: 10.0.0.1, ports: {http: 0}"), "spec.endpoints[0].ports[http]", "1..65535"),
    (static("address: 10.0.0.1, labels: {'a b': c}"), "spec.endpoints[0].labels[a b]", "label key"),
    (static("address: 'unix:///a', ports: {http: 80}"), "spec.endpoints[0].ports", "has no ports"),
    (static("address: 'unix://a'"), "spec.endpoints[0].address", "absolute path"),
    (static("address: 'unix:///a'", ports=f"[{HTTP}, {TCP}]"), "spec.endpoints[0].address", "exactly one port"),
    (entry("resolution: DNS", hosts="['*.example.com']"), "spec.hosts[0]", "give endpoints"),
    (dns("address: a_b"), "spec.endpoints[0].address", "neither an IP address nor a DNS name"),
    (dns("network: n1"), "spec.endpoints[0].address", "must not be empty"),
    (dns("address: a.example.com, ports: {grpc: 80}"), "spec.endpoints[0].ports[grpc]", "no port 'grpc'"),
    (
        entry("resolution: DNS_ROUND_ROBIN, endpoints: [{address: a}, {address: b}]"),
        "spec.endpoints",
        "one endpoint only",
    ),
    (entry(DYNAMIC), "spec.hosts[0]", "not a wildcard"),
    (entry(f"{DYNAMIC}, addresses: [10.0.0.1]", hosts="['*.a.com']"), "spec.addresses", "DYNAMIC_DNS"),
    (entry(f"{DYNAMIC}, endpoints: [{{address: 10.0.0.1}}]", hosts="['*.a.com']"), "spec.endpoints", "DYNAMIC_DNS"),
    (entry(DYNAMIC, hosts="['*.a.com']", ports=f"[{TCP}]"), "spec.ports[0].protocol", "HTTP, HTTP2, GRPC or TLS"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_case_48_a_broken_rule_is_reported_once_at_its_field(spec: str, path: str, reason: str) -> None:
    found = errors("ServiceEntry", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


MALFORMED: list[Row] = [
    (entry("", ports="[null]"), "spec.ports[0]", "got null"),
    (entry("resolution: FOO"), "spec.resolution", "unknown value"),
    (entry("endpoints: [null]"), "spec.endpoints[0]", "got null"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), MALFORMED, ids=row_ids(MALFORMED))
def test_case_48_what_cannot_be_read_is_reported_at_its_field(spec: str, path: str, reason: str) -> None:
    found = malformed("ServiceEntry", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


SOUND = [
    entry("location: MESH_EXTERNAL"),
    entry("addresses: [10.0.0.1, 10.0.0.0/8, 'fd00::/8']"),
    entry("resolution: DNS, exportTo: ['~']"),
    entry("", hosts="[a.com, b.com]", ports=f"[{TCP}]"),
    entry("resolution: DNS", hosts="[a.com, b.com]"),
    static("address: 10.0.0.1, ports: {http: 8080}, locality: a/b/c, weight: 5"),
    static("address: 'unix:///run/a.sock'"),
    entry("resolution: STATIC, workloadSelector: {labels: {app: a}}"),
    dns("address: b.example.com, ports: {http: 8080}"),
    entry("resolution: DNS, workloadSelector: {labels: {a: b}}", hosts="['*.example.com']"),
    entry("resolution: DNS_ROUND_ROBIN"),
    entry(DYNAMIC, hosts="['*.example.com']"),
    entry("", ports="[{number: 80, name: http}]"),
]


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_specification_passes_without_a_word(spec: str) -> None:
    assert errors("ServiceEntry", spec) == []
    assert warnings("ServiceEntry", spec) == []


WARNED: list[Row] = [
    (entry("resolution: STATIC", hosts="['*a.example.com']"), "spec.hosts[0]", "part of a label"),
    (entry("workloadSelector: {labels: {a: b}}"), "spec.workloadSelector", "no effect with resolution NONE"),
    (entry("resolution: STATIC, workloadSelector: {}"), "spec.workloadSelector.labels", "every workload"),
    (static("network: n1"), "spec.endpoints[0].address", "gateway of network 'n1'"),
    (
        (
            "{hosts: [a.com, b.com], addresses: [10.0.0.1], resolution: DNS,"
            " ports: [{number: 443, name: tls, protocol: TLS}]}"
        ),
        "spec.hosts",
        "TCP ports cannot tell them apart",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), WARNED, ids=row_ids(WARNED))
def test_case_48_what_probably_is_a_mistake_is_a_warning(spec: str, path: str, reason: str) -> None:
    found = warnings("ServiceEntry", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]
    assert errors("ServiceEntry", spec) == []


def test_case_48_a_tcp_port_that_gets_no_address_of_its_own_is_a_warning() -> None:
    metadata = "{labels: {networking.istio.io/enable-autoallocate-ip: 'false'}}"
    spec = entry("resolution: DNS", ports=f"[{TCP}]")

    found = warnings("ServiceEntry", spec, metadata=metadata)

    assert [path for path, _ in found] == ["spec.ports[0].protocol"]
    assert warnings("ServiceEntry", spec) == []
