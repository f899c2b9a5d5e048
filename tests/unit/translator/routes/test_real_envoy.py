"""A real Envoy takes every table that is made here, all at once to be quick."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from envoy.config.route.v3 import route_pb2
from google.protobuf.json_format import MessageToDict

from tests.unit.translator.routes.tables import (
    Tree,
    database,
    gateway,
    networking,
    references,
    resource,
    service,
    service_entry,
    sidecar,
    virtual_service,
)
from translator.database import Database
from translator.model.protocol import Protocol
from translator.model.proxy import IpFamilies, ViewKey
from translator.objects.mesh_config import MeshConfig
from translator.routes.inbound import InboundRoute, build_inbound_route
from translator.routes.selection import unknown_route

RULES = r"""
- match:
  - {name: all, uri: {prefix: /foo}, ignoreUriCase: true, statPrefix: s, method: {exact: GET}}
  - {uri: {regex: "/v[0-9]+/.*"}, headers: {a: {exact: v}, b: {prefix: v}, c: {regex: "v.*"}, d: {}}}
  - {uri: {exact: /x}, withoutHeaders: {a: {exact: v}, b: {}}, queryParams: {q: {exact: '1'}, r: {}}}
  - {authority: {prefix: a}, scheme: {exact: https}}
  name: many
  route:
  - {destination: {host: hashed, subset: v1}, weight: 25, headers: {request: {set: {host: w, x: '%REQ(a)%'}}}}
  - {destination: {host: other, port: {number: 81}}, weight: 75, headers: {response: {remove: [y]}}}
  timeout: 5s
  retries: {attempts: 3, perTryTimeout: 1s, retryOn: "gateway-error,503", retryRemoteLocalities: true, backoff: 25ms}
  fault: {delay: {fixedDelay: 2s, percentage: {value: 0.57}}, abort: {grpcStatus: UNAVAILABLE, percentage: {value: 1}}}
  mirrors: [{destination: {host: other}, percentage: {value: 12.5}}, {destination: {host: echo}}]
  corsPolicy: {allowOrigins: [{exact: a}, {regex: ".*"}], allowMethods: [GET], maxAge: 24h, allowCredentials: true}
  headers: {request: {set: {a: b}, add: {c: d}, remove: [e]}, response: {set: {f: g}}}
- match: [{uri: {prefix: /rewrite}}]
  rewrite: {uri: /new, authority: b.com}
  route: [{destination: {host: hashed}}]
- match: [{uri: {prefix: /regex}}]
  rewrite: {uriRegexRewrite: {match: "/regex/(.*)", rewrite: '/\1'}}
  route: [{destination: {host: echo}}]
- match: [{uri: {prefix: /redirect}}]
  redirect: {uri: /there, authority: c.com, port: 8443, scheme: https, redirectCode: 308}
- match: [{uri: {prefix: /prefix}}]
  redirect: {prefixRewrite: /there, derivePort: FROM_REQUEST_PORT}
- match: [{uri: {prefix: /response}}]
  directResponse: {status: 503, body: {string: BODY}}
- match: [{uri: {prefix: /refused}}]
  redirect: {uri: /x, redirectCode: 304}
- route: [{destination: {host: nowhere}}]
"""
HASHING = """
host: hashed
trafficPolicy:
  loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 0s, path: /, attributes: [{name: SameSite, value: Lax}]}}}
subsets:
- {name: v1, labels: {v: '1'}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}
"""
CLAIMS = "[{match: [{headers: {'@request.auth.claims.a': {exact: b}}}], route: [{destination: {host: echo}}]}]"
SERVERS = """
selector: {app: gw}
servers:
- {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com", a.com], tls: {httpsRedirect: true}}
- {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: c}}
- {port: {number: 81, name: unused, protocol: HTTP}, hosts: [unused.com]}
"""


def mesh() -> Database:
    """A mesh in which everything that routes can express occurs."""
    rules = yaml.safe_load(RULES.replace("BODY", "x" * 5000))

    def rule(name: str, hosts: list[str], *gateways: str) -> str:
        return virtual_service(name, yaml.safe_dump({"hosts": hosts, "gateways": list(gateways), "http": rules}))

    return database(
        service("echo", "http-80", "http-8123", clusterIP="10.0.0.1", clusterIPs=["10.0.0.1", "2001:db8::1"]),
        service("hashed", "http-8123", clusterIP="10.0.0.2"),
        service("other", "http-80", "foo-7000", clusterIP="10.0.0.3"),
        service("db", "http-80", "foo-7001", clusterIP="None", namespace="prod"),
        service("alias", type="ExternalName", externalName="echo.default.svc.cluster.local"),
        service_entry("wild", ["*.example.com", "example.com", "echo", "2001:db8::5"], "HTTP-80", "HTTP-81"),
        networking("DestinationRule", "hashing", HASHING),
        rule("all", ["echo", "www.example.com", "*.wild.com", "*.example.com"]),
        rule("detected", ["other"]),
        rule("edge", ["a.com", "*.example.com", "x.example.com"], "edge/web"),
        virtual_service(
            "claims", yaml.safe_dump({"hosts": ["c.com"], "gateways": ["edge/web"], "http": yaml.safe_load(CLAIMS)})
        ),
        networking("Gateway", "web", SERVERS, namespace="edge"),
        networking("Sidecar", "default", "egress: [{hosts: ['*/*']}]", namespace="strict"),
        mesh=MeshConfig(proxy_http_port=15007),
    )


def tables() -> list[Tree]:
    db = mesh()
    views: list[ViewKey] = [sidecar(families=IpFamilies.DUAL), sidecar("prod"), sidecar("strict"), gateway()]
    bodies = [resource(db, view, name).body for view in views for name in references(db, view)]
    bodies.append(unknown_route("stale").body)
    found = [route_pb2.RouteConfiguration.FromString(body) for body in bodies]
    found += [
        build_inbound_route(InboundRoute(cluster="inbound|8080||", service_port=80, protocol=protocol))
        for protocol in (Protocol.HTTP, Protocol.GRPC)
    ]
    assert len(found) > 20
    return [MessageToDict(each) for each in found]


@pytest.mark.envoy
def test_a_real_envoy_takes_every_table(envoy_binary: Path, tmp_path: Path) -> None:
    listeners = [listener(position, each) for position, each in enumerate(tables())]
    config = tmp_path / "bootstrap.json"
    config.write_text(json.dumps({"static_resources": {"listeners": listeners}}))
    done = subprocess.run(
        [envoy_binary, "--mode", "validate", "-c", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def listener(position: int, routes: Tree) -> Tree:
    """A listener with a table inline and the filters that its routes have settings for."""

    def http_filter(name: str, message: str) -> Tree:
        return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{message}"}}

    manager = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "test",
        "route_config": routes,
        "http_filters": [
            http_filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
            http_filter("envoy.filters.http.cors", "cors.v3.Cors"),
            http_filter("envoy.filters.http.router", "router.v3.Router"),
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 20000 + position}}
    return {"name": f"table-{position}", "address": address, "filter_chains": [chain]}
