"""How the protocol of a port is found out."""

import pytest

from translator.model.protocol import Protocol, kubernetes_protocol, parse_protocol


@pytest.mark.parametrize(
    ("transport", "app_protocol", "name", "port", "expected"),
    [
        ("TCP", "", "http", 1, Protocol.HTTP),
        ("TCP", "", "HTTP-admin", 1, Protocol.HTTP),
        ("TCP", "", "http2-x", 1, Protocol.HTTP2),
        ("TCP", "", "grpc", 1, Protocol.GRPC),
        ("TCP", "", "grpc-web", 1, Protocol.GRPC_WEB),
        ("TCP", "", "grpc-web-x", 1, Protocol.GRPC_WEB),
        ("TCP", "", "grpc-other", 1, Protocol.GRPC),
        ("TCP", "", "httpx", 1, Protocol.AUTO),
        ("TCP", "", "foo-http", 1, Protocol.AUTO),
        ("TCP", "", "", 8000, Protocol.AUTO),
        ("TCP", "", "", 1, Protocol.AUTO),
        ("TCP", "", "mongo", 1, Protocol.MONGO),
        ("TCP", "", "redis-x", 1, Protocol.REDIS),
        ("TCP", "", "mysql", 1, Protocol.MYSQL),
        ("TCP", "", "tls", 1, Protocol.TLS),
        ("TCP", "", "https", 1, Protocol.HTTPS),
        ("TCP", "", "smtp", 25, Protocol.TCP),
        ("TCP", "", "", 53, Protocol.TCP),
        ("TCP", "", "", 3306, Protocol.TCP),
        ("TCP", "", "db", 27017, Protocol.TCP),
        ("TCP", "", "http", 3306, Protocol.HTTP),
        ("TCP", "http", "tcp", 1, Protocol.HTTP),
        ("TCP", "kubernetes.io/h2c", "tcp", 1, Protocol.HTTP2),
        ("TCP", "kubernetes.io/ws", "tcp", 1, Protocol.HTTP),
        ("TCP", "kubernetes.io/wss", "tcp", 1, Protocol.HTTPS),
        ("TCP", "example.com/own", "http", 1, Protocol.AUTO),
        ("UDP", "http", "http", 80, Protocol.UDP),
    ],
)
def test_case_33_ports_of_kubernetes_services(
    transport: str, app_protocol: str, name: str, port: int, expected: Protocol
) -> None:
    assert kubernetes_protocol(transport, app_protocol, name, port) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("HTTP", Protocol.HTTP), ("grpc-WEB", Protocol.GRPC_WEB), ("", Protocol.AUTO), ("http-x", Protocol.AUTO)],
)
def test_ports_of_service_entries(text: str, expected: Protocol) -> None:
    assert parse_protocol(text) is expected


def test_the_families_of_protocols() -> None:
    assert [each for each in Protocol if each.is_http2] == [Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB]
    assert {each for each in Protocol if each.is_tcp and each.is_tls} == {Protocol.HTTPS, Protocol.TLS}
    neither = {each for each in Protocol if not each.is_http and not each.is_tcp}
    assert neither == {Protocol.AUTO, Protocol.UDP}
    assert Protocol.AUTO.may_be_http
    assert [Protocol.HTTPS.terminated, Protocol.TLS.terminated, Protocol.GRPC.terminated] == [
        Protocol.HTTP,
        Protocol.TCP,
        Protocol.GRPC,
    ]
