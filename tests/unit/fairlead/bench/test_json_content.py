"""What answers in JSON say is what the proxies need of them."""

from typing import Any

import msgspec
import pytest

from fairlead.bench.json_content import JsonReader
from fairlead.bench.marker import marker
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl

OVER_REST = {"api_config_source": {"api_type": "REST", "cluster_names": ["xds"]}}


def answer(*resources: dict[str, Any], version: str = "7") -> bytes:
    return msgspec.json.encode({"version_info": version, "resources": resources})


def references(type_url: TypeUrl, resource: dict[str, Any]) -> dict[TypeUrl, frozenset[str]]:
    (part,) = JsonReader().read(type_url, answer(resource))[1].parts.values()
    return dict(part.references)


def test_a_cluster_asks_for_its_endpoints() -> None:
    eds = {"name": "a", "type": "EDS", "eds_cluster_config": {"eds_config": OVER_REST}}
    assert references(CLUSTER, eds) == {ENDPOINT: {"a"}}
    renamed = {"name": "a", "type": "EDS", "eds_cluster_config": {"eds_config": OVER_REST, "service_name": "b"}}
    assert references(CLUSTER, renamed) == {ENDPOINT: {"b"}}
    assert references(CLUSTER, {"name": "a", "type": "STATIC"}) == {}


def test_what_comes_over_streams_is_not_polled() -> None:
    assert references(CLUSTER, {"name": "a", "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}}}) == {}


def test_a_listener_asks_for_its_routes_and_secrets() -> None:
    manager = {"typed_config": {"rds": {"route_config_name": "8000", "config_source": OVER_REST}}}
    secret = {"typed_config": {"tls": [{"name": "cert", "sds_config": OVER_REST}]}}
    listener = {"name": "l", "filter_chains": [{"filters": [manager], "transport_socket": secret}]}
    assert references(LISTENER, listener) == {ROUTE: {"8000"}, SECRET: {"cert"}}


def test_changes_and_hosts_are_seen() -> None:
    version, content = JsonReader().read(ENDPOINT, answer({"cluster_name": "a", "address": marker(300)}))
    assert (version, set(content.markers), set(content.parts)) == ("7", {300}, {"a"})
    table = {"name": "8000", "routes": [{"cluster": "outbound|8000||web.shop.svc", "name": marker(301)}]}
    _, content = JsonReader().read(ROUTE, answer(table))
    assert (set(content.markers), set(content.parts["8000"].hosts)) == ({301}, {"web.shop.svc"})


def test_equal_answers_are_read_once() -> None:
    reader = JsonReader()
    first = reader.read(CLUSTER, answer({"name": "a"}))[1]
    assert reader.read(CLUSTER, answer({"name": "a"}))[1] is first
    assert reader.read(CLUSTER, answer({"name": "a"}, version="8"))[1].serial != first.serial


@pytest.mark.parametrize("body", [b"", b"[]", b'{"resources": []}', b"<html>"])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        JsonReader().read(CLUSTER, body)
