"""Every rule for Gateway: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, row_ids, warnings


def server(text: str) -> str:
    return f"{{servers: [{{{text}}}]}}"


def http(text: str) -> str:
    return server(f"port: {{number: 80, name: http, protocol: HTTP}}, {text}")


def hosted(host: str) -> str:
    return http(f"hosts: ['{host}']")


def https(text: str) -> str:
    return server(f"port: {{number: 443, name: https, protocol: HTTPS}}, hosts: ['*'], tls: {{{text}}}")


H = "hosts: ['*']"
TLS = "spec.servers[0].tls"
BROKEN: list[Row] = [
    ("{}", "spec.servers", "at least one server"),
    ("{selector: {'a*': b}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*']}]}", "", "wildcards"),
    # hosts
    (http("hosts: []"), "spec.servers[0].hosts", "at least one host"),
    (hosted("front"), "spec.servers[0].hosts[0]", "short name"),
    (hosted("a_b.example.com"), "spec.servers[0].hosts[0]", "not a DNS name"),
    (hosted("~/a.example.com"), "spec.servers[0].hosts[0]", "namespace/name"),
    (hosted("/a.example.com"), "spec.servers[0].hosts[0]", "namespace/name"),
    (hosted("shop/"), "spec.servers[0].hosts[0]", "must not be empty"),
    # port and bind
    (server(f"port: {{number: 0, name: h, protocol: HTTP}}, {H}"), "spec.servers[0].port.number", "1..65535"),
    (server(f"port: {{number: 80, name: h, protocol: FOO}}, {H}"), "spec.servers[0].port.protocol", "unknown"),
    (server(f"port: {{number: 80, name: h, protocol: ''}}, {H}"), "spec.servers[0].port.protocol", "not be empty"),
    (server(f"port: {{number: 80, name: '', protocol: HTTP}}, {H}"), "spec.servers[0].port.name", "not be empty"),
    (
        server(f"port: {{number: 80, name: h, protocol: HTTP, targetPort: 8080}}, {H}"),
        "spec.servers[0].port.targetPort",
        "no meaning for a gateway",
    ),
    (http(f"{H}, bind: 'unix:///run/a.sock'"), "spec.servers[0].port.number", "must be 0"),
    (
        server(f"port: {{number: 0, name: h, protocol: HTTP}}, {H}, bind: 'unix://run/'"),
        "spec.servers[0].bind",
        "absolute path",
    ),
    (http(f"{H}, bind: eth0"), "spec.servers[0].bind", "not an IP address"),
    (
        (
            "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*']},"
            " {port: {number: 81, name: h, protocol: HTTP}, hosts: ['*']}]}"
        ),
        "spec.servers[1].port.name",
        "given twice",
    ),
    # TLS and the protocol
    (server(f"port: {{number: 443, name: h, protocol: HTTPS}}, {H}"), TLS, "required for protocol HTTPS"),
    (server(f"port: {{number: 443, name: h, protocol: TLS}}, {H}"), TLS, "required for protocol TLS"),
    (server(f"port: {{number: 1, name: h, protocol: TCP}}, {H}, tls: {{}}"), TLS, "TCP has no TLS settings"),
    (http(f"{H}, tls: {{mode: SIMPLE, credentialName: c}}"), TLS, "allows httpsRedirect only"),
    # certificates
    (https("mode: SIMPLE, privateKey: k"), f"{TLS}.serverCertificate", "required for mode SIMPLE"),
    (https("mode: SIMPLE, serverCertificate: c"), f"{TLS}.privateKey", "required for mode SIMPLE"),
    (https("mode: MUTUAL, serverCertificate: c, privateKey: k"), f"{TLS}.caCertificates", "required for mode MUTUAL"),
    (
        https("mode: OPTIONAL_MUTUAL, serverCertificate: c, privateKey: k"),
        f"{TLS}.caCertificates",
        "required for mode OPTIONAL_MUTUAL",
    ),
    (
        https("mode: SIMPLE, tlsCertificates: [{privateKey: k}]"),
        f"{TLS}.tlsCertificates[0].serverCertificate",
        "SIMPLE",
    ),
    (
        https("mode: SIMPLE, tlsCertificates: [{serverCertificate: c}]"),
        f"{TLS}.tlsCertificates[0].privateKey",
        "SIMPLE",
    ),
    (https("mode: SIMPLE, credentialName: a, credentialNames: [b]"), TLS, "only one of credentialName"),
    (https("mode: SIMPLE, credentialName: a, serverCertificate: c, privateKey: k"), TLS, "only one of credentialName"),
    (https("mode: SIMPLE, credentialNames: [a, b, c]"), f"{TLS}.credentialNames", "at most two"),
    (https("mode: ISTIO_MUTUAL, credentialName: a"), f"{TLS}.credentialName", "certificates of the mesh"),
    (https("mode: ISTIO_MUTUAL, serverCertificate: a"), f"{TLS}.serverCertificate", "certificates of the mesh"),
    (https("mode: ISTIO_MUTUAL, caCertificates: a"), f"{TLS}.caCertificates", "certificates of the mesh"),
    (https("mode: MUTUAL, credentialName: a, caCrl: f"), f"{TLS}.caCrl", "belongs into the Secret"),
    (https("mode: SIMPLE, serverCertificate: c, privateKey: k, caCrl: f"), f"{TLS}.caCrl", "no meaning in mode SIMPLE"),
    (
        https("mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2"),
        f"{TLS}.minProtocolVersion",
        "above maxProtocolVersion",
    ),
    (
        https("mode: SIMPLE, credentialName: a, verifyCertificateSpki: [x]"),
        f"{TLS}.verifyCertificateSpki[0]",
        "SHA-256",
    ),
    (
        https("mode: SIMPLE, credentialName: a, verifyCertificateHash: [x]"),
        f"{TLS}.verifyCertificateHash[0]",
        "SHA-256",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_a_broken_rule_is_reported_once_at_its_field(spec: str, path: str, reason: str) -> None:
    found = errors("Gateway", spec)

    assert [place for place, _ in found] == [path or "spec.selector[a*]"]
    assert reason in found[0][1]


def test_the_name_of_a_gateway_is_a_dns_label() -> None:
    assert [path for path, _ in errors("Gateway", hosted("*"), metadata="{name: a.b}")] == ["metadata.name"]


SOUND = [
    "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: h, protocol: http}, hosts: ['*']}]}",
    hosted("*.example.com"),
    hosted("./a.example.com"),
    hosted("*/*"),
    hosted("shop/10.0.0.1"),
    http(f"{H}, tls: {{httpsRedirect: true}}, bind: 0.0.0.0"),
    server(f"port: {{number: 0, name: h, protocol: HTTP}}, {H}, bind: 'unix:///run/a.sock'"),
    server(f"port: {{number: 31400, name: tcp, protocol: TCP}}, {H}"),
    https("mode: PASSTHROUGH"),
    https("mode: ISTIO_MUTUAL"),
    https("mode: SIMPLE, credentialName: a"),
    https("mode: MUTUAL, credentialNames: [a, b], subjectAltNames: [c]"),
    https("mode: MUTUAL, serverCertificate: c, privateKey: k, caCertificates: a, caCrl: r"),
    https("mode: SIMPLE, tlsCertificates: [{serverCertificate: c, privateKey: k}]"),
    https("mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3"),
    https(f"mode: SIMPLE, credentialName: a, verifyCertificateHash: [{'ab' * 32}]"),
    https(f"mode: SIMPLE, credentialName: a, verifyCertificateSpki: ['{'a' * 43}=']"),
]


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_specification_passes_without_a_word(spec: str) -> None:
    assert errors("Gateway", spec) == []
    assert warnings("Gateway", spec) == []


WARNED: list[Row] = [
    (https("mode: PASSTHROUGH, credentialName: a"), f"{TLS}.credentialName", "no effect in mode PASSTHROUGH"),
    (https("mode: SIMPLE, credentialName: a, httpsRedirect: true"), f"{TLS}.httpsRedirect", "plain-text HTTP only"),
    (https("mode: SIMPLE, credentialName: a, cipherSuites: [FOO]"), f"{TLS}.cipherSuites[0]", "unknown cipher"),
    (
        https("mode: SIMPLE, credentialName: a, cipherSuites: [AES128-SHA, AES128-SHA]"),
        f"{TLS}.cipherSuites[1]",
        "given twice",
    ),
    (
        https("mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_0"),
        f"{TLS}.minProtocolVersion",
        "needs cipherSuites",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), WARNED, ids=row_ids(WARNED))
def test_what_probably_is_a_mistake_is_a_warning(spec: str, path: str, reason: str) -> None:
    found = warnings("Gateway", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]
    assert errors("Gateway", spec) == []
