"""Listeners and filter chains: which one a connection gets."""

from collections.abc import Mapping
from typing import Any

import pytest
from envoy.config.listener.v3 import listener_pb2
from google.protobuf.json_format import ParseDict

from translator import pb
from translator.simulation.chain import find_chain, find_listener
from translator.simulation.snapshot import Snapshot
from translator.simulation.traffic import Connection
from xds.resource import Resource
from xds.types import LISTENER, TypeUrl

INSPECTORS = [
    {"name": f"envoy.filters.listener.{name}_inspector", "typed_config": {"@type": f"type.googleapis.com/{kind}"}}
    for name, kind in (
        ("tls", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"),
        ("http", "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"),
    )
]


class Resources:
    """Listeners alone."""

    def __init__(self, *listeners: listener_pb2.Listener) -> None:
        self._listeners = {each.name: Resource(LISTENER, each.name, pb.encode(each)) for each in listeners}

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        return self._listeners if type_url == LISTENER else {}


def listener(name: str, *chains: dict[str, Any], bound: bool = True, inspected: bool = True) -> listener_pb2.Listener:
    """A listener named ``ADDRESS_PORT``; a chain is (name, match)."""
    address, _, port = name.rpartition("_")
    made = listener_pb2.Listener(name=name)
    made.address.socket_address.address, made.address.socket_address.port_value = address, int(port)
    made.bind_to_port.value = bound
    for each in chains:
        chain = made.filter_chains.add()
        ParseDict(each, chain)
    if inspected:
        for inspector in INSPECTORS:
            made.listener_filters.add(name=inspector["name"])
    return made


def chain(name: str, **match: object) -> dict[str, Any]:
    return {"name": name, "filter_chain_match": match}


def named(*listeners: str) -> list[listener_pb2.Listener]:
    """Listeners of a proxy that intercepts."""
    made = [listener(name, bound=False) for name in listeners]
    for special, port in (("virtualOutbound", 15001), ("virtualInbound", 15006)):
        virtual = listener(f"0.0.0.0_{port}")
        virtual.name = special
        made.append(virtual)
    return made


@pytest.mark.parametrize(
    ("address", "port", "inbound", "expected"),
    [
        ("10.0.0.1", 80, False, "10.0.0.1_80"),
        ("10.0.0.2", 80, False, "0.0.0.0_80"),
        ("10.0.0.2", 81, False, "virtualOutbound"),
        ("10.0.0.1", 80, True, "virtualInbound"),
    ],
)
def test_an_intercepted_connection(address: str, port: int, *, inbound: bool, expected: str) -> None:
    snapshot = Snapshot(Resources(*named("0.0.0.0_80", "10.0.0.1_80")))
    found = find_listener(snapshot, Connection(address=address, port=port, intercepted=True, inbound=inbound))
    assert found is not None
    assert found.listener.name == expected


def test_a_connection_to_the_proxy_itself_needs_a_listener_that_listens() -> None:
    snapshot = Snapshot(Resources(listener("10.0.0.1_80"), listener("10.0.0.1_81", bound=False)))
    assert find_listener(snapshot, Connection(address="10.0.0.1", port=80)) is not None
    for address, port in (("10.0.0.1", 81), ("10.0.0.1", 82), ("10.0.0.2", 80)):
        assert find_listener(snapshot, Connection(address=address, port=port)) is None


def test_additional_addresses_count() -> None:
    made = listener("10.0.0.1_80")
    extra = made.additional_addresses.add().address.socket_address
    extra.address, extra.port_value = "2001:db8::1", 80
    assert find_listener(Snapshot(Resources(made)), Connection(address="2001:db8::1", port=80)) is not None


CHAINS = listener(
    "0.0.0.0_443",
    chain("exact", server_names=["a.example.com"]),
    chain("longest", server_names=["*.b.example.com"]),
    chain("pattern", server_names=["*.example.com"]),
    chain("alpn", transport_protocol="tls", application_protocols=["h2"]),
    chain("tls", transport_protocol="tls"),
    chain("http", transport_protocol="raw_buffer", application_protocols=["http/1.1", "h2c"]),
    chain("raw", transport_protocol="raw_buffer"),
)


@pytest.mark.parametrize(
    ("sni", "alpn", "expected"),
    [
        ("a.example.com", (), "exact"),
        ("A.Example.com", (), "exact"),
        ("x.b.example.com", (), "longest"),
        ("y.x.b.example.com", (), "longest"),
        ("c.example.com", (), "pattern"),
        ("example.com", (), "tls"),
        ("", ("h2", "http/1.1"), "alpn"),
        ("", ("http/1.1",), "tls"),
        # A server name decides before the application protocol, and there is no way back.
        ("c.example.com", ("h2",), "pattern"),
    ],
)
def test_server_names_and_application_protocols(sni: str, alpn: tuple[str, ...], expected: str) -> None:
    connection = Connection(address="10.0.0.1", port=443, tls=True, sni=sni, alpn=alpn)
    found = find_chain(CHAINS, connection, "http/1.1")
    assert found is not None
    assert found.name == expected


@pytest.mark.parametrize(("protocol", "expected"), [("http/1.1", "http"), ("h2c", "http"), ("", "raw")])
def test_plain_connections_are_told_apart_by_what_they_begin_with(protocol: str, expected: str) -> None:
    found = find_chain(CHAINS, Connection(address="10.0.0.1", port=443), protocol)
    assert found is not None
    assert found.name == expected


def test_without_inspectors_nothing_is_known() -> None:
    blind = listener("0.0.0.0_443", chain("tls", transport_protocol="tls"), inspected=False)
    assert find_chain(blind, Connection(address="10.0.0.1", port=443, tls=True), "") is None
    blind.default_filter_chain.name = "default"
    found = find_chain(blind, Connection(address="10.0.0.1", port=443, tls=True), "")
    assert found is not None
    assert found.name == "default"


PLACES = listener(
    "0.0.0.0_15006",
    chain("port", destination_port=8080),
    chain("host", prefix_ranges=[{"address_prefix": "10.0.0.1", "prefix_len": 32}]),
    chain("net", prefix_ranges=[{"address_prefix": "10.0.0.0", "prefix_len": 8}]),
    chain("source", prefix_ranges=[{"address_prefix": "10.9.0.0", "prefix_len": 16}],
          source_prefix_ranges=[{"address_prefix": "10.1.0.0", "prefix_len": 16}]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "port", "source", "expected"),
    [
        ("10.0.0.1", 8080, "", "port"),
        ("10.0.0.1", 9090, "", "host"),
        ("10.0.0.2", 9090, "", "net"),
        ("10.9.0.1", 9090, "10.1.2.3", "source"),
        ("10.9.0.1", 9090, "10.2.2.3", ""),
        ("192.168.0.1", 9090, "", ""),
    ],
)
def test_ports_and_networks(address: str, port: int, source: str, expected: str) -> None:
    found = find_chain(PLACES, Connection(address=address, port=port, source=source), "")
    assert (found.name if found else "") == expected
