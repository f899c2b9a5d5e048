"""Every rule for Sidecar: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, malformed, row_ids, warnings

EVERYTHING = "hosts: ['*/*']"


def ingress(text: str) -> str:
    return f"{{ingress: [{{port: {{number: 80, protocol: HTTP, name: http}}, {text}}}]}}"


def secured(text: str) -> str:
    return f"{{ingress: [{{port: {{number: 443, protocol: TLS}}, tls: {{{text}}}}}]}}"


def egress(text: str) -> str:
    return f"{{egress: [{{{text}}}]}}"


def reaching(*hosts: str) -> str:
    listed = ", ".join(f"'{host}'" for host in hosts)
    return egress(f"hosts: [{listed}]")


FILES = "mode: SIMPLE, serverCertificate: c, privateKey: k"
BROKEN: list[Row] = [
    ("{}", "spec", "must be set"),
    (
        "{workloadSelector: {labels: {'': a}}, egress: [{hosts: ['*/*']}]}",
        "spec.workloadSelector.labels[]",
        "empty key",
    ),
    # ingress
    ("{ingress: [{port: {number: 0, protocol: HTTP}}]}", "spec.ingress[0].port.number", "1..65535"),
    ("{ingress: [{port: {number: 80, protocol: FOO}}]}", "spec.ingress[0].port.protocol", "unknown protocol"),
    ("{ingress: [{port: {number: 80, name: a_b}}]}", "spec.ingress[0].port.name", "not a port name"),
    ("{ingress: [{port: {number: 80, targetPort: 81}}]}", "spec.ingress[0].port.targetPort", "no meaning"),
    ("{ingress: [{port: {number: 80}}, {port: {number: 80}}]}", "spec.ingress[1].port.number", "given twice"),
    (ingress("bind: eth0"), "spec.ingress[0].bind", "not an IP address"),
    (ingress("defaultEndpoint: 10.0.0.1:80"), "spec.ingress[0].defaultEndpoint", "none of 127.0.0.1"),
    (ingress("defaultEndpoint: localhost"), "spec.ingress[0].defaultEndpoint", "none of 127.0.0.1"),
    (ingress("defaultEndpoint: 127.0.0.1:http"), "spec.ingress[0].defaultEndpoint", "not a port number"),
    (ingress("defaultEndpoint: 127.0.0.1:0"), "spec.ingress[0].defaultEndpoint", "1..65535"),
    (ingress("defaultEndpoint: 'unix://a'"), "spec.ingress[0].defaultEndpoint", "absolute path"),
    (ingress("connectionPool: {}"), "spec.ingress[0].connectionPool", "one of tcp and http"),
    (ingress(f"tls: {{{FILES}}}"), "spec.ingress[0].tls", "must be HTTPS or TLS"),
    (secured("mode: ISTIO_MUTUAL"), "spec.ingress[0].tls.mode", "not supported for a sidecar"),
    (secured("mode: AUTO_PASSTHROUGH"), "spec.ingress[0].tls.mode", "not supported for a sidecar"),
    (secured(f"{FILES}, subjectAltNames: [a]"), "spec.ingress[0].tls.subjectAltNames", "not supported"),
    (secured(f"{FILES}, httpsRedirect: true"), "spec.ingress[0].tls.httpsRedirect", "not supported"),
    (secured("mode: SIMPLE, credentialName: a"), "spec.ingress[0].tls.credentialName", "not supported"),
    (secured("mode: SIMPLE, credentialNames: [a]"), "spec.ingress[0].tls.credentialNames", "not supported"),
    (secured("mode: SIMPLE, privateKey: k"), "spec.ingress[0].tls.serverCertificate", "required for mode SIMPLE"),
    ("{inboundConnectionPool: {}}", "spec.inboundConnectionPool", "one of tcp and http"),
    # egress
    ("{egress: [{hosts: ['*/*']}, {port: {number: 80}, hosts: ['*/*']}]}", "spec.egress[0]", "only the last listener"),
    ("{egress: [{hosts: ['*/*']}, {hosts: ['*/*']}]}", "spec.egress[0]", "only the last listener"),
    (
        "{egress: [{port: {number: 80}, hosts: ['*/*']}, {port: {number: 80}, hosts: ['*/*']}]}",
        "spec.egress[1].port.number",
        "given twice",
    ),
    (
        (
            "{egress: [{port: {number: 0}, bind: 'unix:///a', hosts: ['*/*']},"
            " {port: {number: 0}, bind: 'unix:///a', hosts: ['*/*']}]}"
        ),
        "spec.egress[1].bind",
        "given twice",
    ),
    (egress(f"port: {{number: 70000}}, {EVERYTHING}"), "spec.egress[0].port.number", "1..65535"),
    (egress(f"port: {{number: 80, protocol: FOO}}, {EVERYTHING}"), "spec.egress[0].port.protocol", "unknown"),
    (egress(f"port: {{number: 80}}, bind: eth0, {EVERYTHING}"), "spec.egress[0].bind", "not an IP address"),
    (egress(f"port: {{number: 0}}, bind: 10.0.0.1, {EVERYTHING}"), "spec.egress[0].bind", "must be a Unix domain"),
    (egress(f"port: {{number: 0}}, bind: 'unix://a', {EVERYTHING}"), "spec.egress[0].bind", "absolute path"),
    (
        egress(f"port: {{number: 0}}, bind: 'unix:///a', captureMode: IPTABLES, {EVERYTHING}"),
        "spec.egress[0].captureMode",
        "cannot capture",
    ),
    (egress("hosts: []"), "spec.egress[0].hosts", "at least one host"),
    (reaching("a.example.com"), "spec.egress[0].hosts[0]", "namespace/name"),
    (reaching("a_b/a.example.com"), "spec.egress[0].hosts[0]", "namespace/name"),
    (reaching("/a.example.com"), "spec.egress[0].hosts[0]", "namespace/name"),
    (reaching("shop/reviews"), "spec.egress[0].hosts[0]", "short name"),
    (reaching("shop/"), "spec.egress[0].hosts[0]", "must not be empty"),
    # policy
    ("{outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}}", "spec.outboundTrafficPolicy.mode", "whole mesh only"),
    (
        "{outboundTrafficPolicy: {egressProxy: {host: a.b, port: {number: 80}}}}",
        "spec.outboundTrafficPolicy.egressProxy",
        "needs mode: ALLOW_ANY",
    ),
    (
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.b}}}",
        "spec.outboundTrafficPolicy.egressProxy.port",
        "missing",
    ),
    (
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: '*.b', port: {number: 80}}}}",
        "spec.outboundTrafficPolicy.egressProxy.host",
        "not a DNS name",
    ),
    (
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: '*', port: {number: 80}}}}",
        "spec.outboundTrafficPolicy.egressProxy.host",
        "not a destination",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_case_48_a_broken_rule_is_reported_once_at_its_field(spec: str, path: str, reason: str) -> None:
    found = errors("Sidecar", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


MALFORMED: list[Row] = [
    ("{ingress: [null]}", "spec.ingress[0]", "got null"),
    ("{ingress: [{defaultEndpoint: '127.0.0.1:80'}]}", "spec.ingress[0].port", "missing"),
    ("{egress: [null]}", "spec.egress[0]", "got null"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), MALFORMED, ids=row_ids(MALFORMED))
def test_case_48_what_cannot_be_read_is_reported_at_its_field(spec: str, path: str, reason: str) -> None:
    found = malformed("Sidecar", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


SOUND = [
    reaching("./*", "istio-system/*"),
    reaching("*/*.example.com", "~shop/*", "~/*", "~*/a.example.com"),
    egress(f"port: {{number: 80, protocol: HTTP, name: http}}, bind: 127.0.0.1, {EVERYTHING}"),
    egress(f"port: {{number: 0}}, bind: 'unix:///a', captureMode: NONE, {EVERYTHING}"),
    "{egress: [{port: {number: 80}, hosts: ['*/*']}, {hosts: ['./*']}]}",
    ingress("defaultEndpoint: '127.0.0.1:8080', bind: 0.0.0.0, connectionPool: {http: {maxRetries: 1}}"),
    ingress("defaultEndpoint: '[::1]:8080'"),
    ingress("defaultEndpoint: ':8080'"),
    ingress("defaultEndpoint: 'unix:///a'"),
    secured(FILES),
    "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.example.com, port: {number: 80}}}}",
    "{outboundTrafficPolicy: {}}",
    "{workloadSelector: {labels: {app: a}}, inboundConnectionPool: {tcp: {maxConnections: 5}}}",
]


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_specification_passes_without_a_word(spec: str) -> None:
    assert errors("Sidecar", spec) == []
    assert warnings("Sidecar", spec) == []


WARNED: list[Row] = [
    (reaching("shop/a.com", "./a.com"), "spec.egress[0].hosts[1]", "given twice"),
    (reaching("shop/*", "shop/a.com"), "spec.egress[0].hosts[1]", "given twice"),
    (reaching("shop/a.com", "shop/*"), "spec.egress[0].hosts[1]", "given twice"),
    (reaching("*/*", "shop/a.com"), "spec.egress[0].hosts", "selects everything"),
    ("{workloadSelector: {}, egress: [{hosts: ['*/*']}]}", "spec.workloadSelector.labels", "every workload"),
    (
        "{ingress: [{port: {number: 80, protocol: TCP}, connectionPool: {http: {maxRetries: 1}}}]}",
        "spec.ingress[0].connectionPool.http",
        "not HTTP",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), WARNED, ids=row_ids(WARNED))
def test_case_48_what_probably_is_a_mistake_is_a_warning(spec: str, path: str, reason: str) -> None:
    found = warnings("Sidecar", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]
    assert errors("Sidecar", spec) == []
