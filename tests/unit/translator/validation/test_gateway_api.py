"""Every rule for gateways of the Gateway API: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, row_ids

KIND = "Gateway.gateway.networking.k8s.io"


def listening(*listeners: str) -> str:
    entries = ", ".join(f"{{name: l{index}, {text}}}" for index, text in enumerate(listeners))
    return f"{{gatewayClassName: istio, listeners: [{entries}]}}"


BROKEN: list[Row] = [
    ("{listeners: [{name: a, port: 80, protocol: HTTP}]}", "spec.gatewayClassName", "empty"),
    ("{gatewayClassName: istio}", "spec.listeners", "1 to 64"),
    (
        "{gatewayClassName: x, listeners: [{name: a, port: 80, protocol: TCP}, {name: a, port: 81, protocol: TCP}]}",
        "spec.listeners[1].name",
        "twice",
    ),
    (listening("port: 0, protocol: HTTP"), "spec.listeners[0].port", "65535"),
    (listening("port: 80, protocol: HTTP, hostname: '*'"), "spec.listeners[0].hostname", "leave it out"),
    (listening("port: 80, protocol: HTTP, hostname: 'a.*.com'"), "spec.listeners[0].hostname", "not a DNS name"),
    (listening("port: 80, protocol: TCP, hostname: a.com"), "spec.listeners[0].hostname", "TCP"),
    (listening("port: 80, protocol: HTTP, tls: {}"), "spec.listeners[0].tls", "HTTP"),
    (listening("port: 443, protocol: HTTPS, tls: {mode: Passthrough}"), "spec.listeners[0].tls.mode", "Terminate"),
    (
        listening("port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}"),
        "spec.listeners[0].allowedRoutes.namespaces.selector",
        "from: Selector",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_a_broken_gateway_is_refused(spec: str, path: str, reason: str) -> None:
    found = errors(KIND, spec)
    assert [each for each, _ in found] == [path], found
    assert reason in found[0][1]


def test_a_gateway_that_holds() -> None:
    spec = listening(
        "port: 80, protocol: HTTP, hostname: '*.a.com'",
        "port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}",
        "port: 443, protocol: TLS, hostname: b.com, tls: {mode: Passthrough}",
    )
    assert errors(KIND, spec) == []
