"""Which tables there are: every one that a listener of the same proxy asks for, and hardly any that none does."""

import pytest

from tests.unit.translator.routes.tables import (
    database,
    gateway,
    networking,
    references,
    service,
    service_entry,
    sidecar,
    virtual_service,
)
from translator.database import Database
from translator.listeners.selection import listener_references
from translator.model.proxy import Capture, IpFamilies, ViewKey
from translator.objects.mesh_config import MeshConfig
from xds.types import ROUTE

SERVICES = [
    service("web", "http-80", "tcp-6000", clusterIP="10.0.0.1"),
    service("grpc", "grpc-81", clusterIP="10.0.0.2"),
    service("vip", "foo-7000", "http-7001", clusterIP="10.0.0.4"),
    service("dual", "foo-7010", clusterIP="10.0.0.5", clusterIPs=["10.0.0.5", "2001:db8::5"]),
    service("db", "foo-7002", "http-7003", clusterIP="None"),
    service("pending", "foo-7004"),
    service_entry("static", ["static.com"], "FOO-82", resolution="STATIC"),
    service_entry("network", ["network.com"], "FOO-83", resolution="STATIC", addresses=["10.1.0.0/16"]),
    service_entry("address", ["address.com"], "FOO-84", resolution="STATIC", addresses=["10.2.0.1"]),
    service_entry("passed", ["passed.com"], "FOO-85", resolution="NONE"),
    service_entry("dialled", ["dialled.com"], "FOO-86", resolution="NONE", endpoints=[{"address": "10.3.0.1"}]),
    service_entry("secure", ["secure.com"], "TLS-87", resolution="DNS"),
]
EGRESS = """
egress:
- {port: {number: 81, protocol: GRPC, name: g}, hosts: ["./*"]}
- {port: {number: 7000, protocol: HTTP, name: h}, bind: 127.0.0.1, hosts: ["./*"]}
- {port: {number: 15080, protocol: HTTP_PROXY, name: p}, bind: 127.0.0.1, hosts: ["./*"]}
- {port: {number: 0, protocol: HTTP, name: u}, bind: "unix:///run/x", hosts: ["./*"]}
- {hosts: ["./*"], captureMode: NONE}
"""
SERVERS = """
selector: {app: gw}
servers:
- {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
- {port: {number: 80, name: bound, protocol: HTTP}, bind: 10.0.0.9, hosts: ["*"]}
- {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: c}}
- {port: {number: 8443, name: passed, protocol: TLS}, hosts: ["*"], tls: {mode: PASSTHROUGH}}
- {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ["*"]}
"""


def mesh() -> Database:
    return database(
        *SERVICES,
        networking("Sidecar", "narrow", EGRESS, namespace="narrow"),
        *(service(f"own-{port}", f"http-{port}", namespace="narrow") for port in (81, 7000, 7003)),
        networking("Gateway", "gw", SERVERS, namespace="edge"),
        virtual_service("vs", "{hosts: [a.com], gateways: [edge/gw], http: [{route: [{destination: {host: web}}]}]}"),
        mesh=MeshConfig(proxy_http_port=15007),
    )


VIEWS = {
    "intercepted": sidecar(),
    "dual": sidecar(families=IpFamilies.DUAL),
    "v6": sidecar(families=IpFamilies.V6),
    "other namespace": sidecar("other"),
    "not intercepted": sidecar(capture=Capture.NONE),
    "egress listeners": sidecar("narrow"),
    "gateway": gateway(),
}


def asked_for(db: Database, view: ViewKey) -> set[str]:
    """The tables that the listeners of a View refer to."""
    built = (reference.query(db, *reference.args) for reference in listener_references(db, view))
    return {
        each.name
        for resource in built
        if resource is not None
        for each in resource.references
        if each.type_url == ROUTE
    }


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_table_that_a_listener_asks_for_is_there(view: ViewKey) -> None:
    db = mesh()
    wanted = asked_for(db, view)
    assert wanted
    assert wanted <= references(db, view).keys()


def test_only_where_endpoints_decide_there_may_be_a_table_too_many() -> None:
    db = mesh()
    spare = references(db, sidecar()).keys() - asked_for(db, sidecar())
    assert spare == {"db.default.svc.cluster.local:7002", "passed.com:85", "86"}


def test_a_gateway_has_no_table_for_what_it_passes_through() -> None:
    assert set(references(mesh(), gateway())) == {"http.80", "http.80.10.0.0.9", "https.443.https.gw.edge"}
