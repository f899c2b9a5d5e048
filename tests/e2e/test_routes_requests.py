"""What a route makes of a request: answers of the proxy itself, rewrites, headers, and who a rule is for at all."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Stream
from tests.e2e.backends import Script
from tests.e2e.stage import GATEWAY, Entry
from tests.simulation.echo import RawClient

HOST = "web.example.com"
RULES = rf"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: web
spec:
  hosts: [{HOST}]
  ports: [{{number: 8000, name: http, protocol: HTTP}}]
  resolution: STATIC
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [{HOST}]
  gateways: [mesh, frontend-gateway]
  http:
  - match: [{{uri: {{prefix: /cors}}}}]
    corsPolicy:
      allowOrigins: [{{exact: "https://a.com"}}, {{regex: "https://.*[.]b[.]com"}}]
      allowMethods: [GET, PUT]
      allowHeaders: [x-one, x-two]
      exposeHeaders: [x-three]
      allowCredentials: true
      maxAge: 24h
    route: [{{destination: &web {{host: web.default.svc.cluster.local, port: {{number: 8000}}}}}}]
  - match: [{{uri: {{prefix: /ignored}}}}]
    corsPolicy: {{allowOrigins: [{{exact: "https://a.com"}}], unmatchedPreflights: IGNORE}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /redirect/uri}}}}]
    redirect: {{uri: /there}}
  - match: [{{uri: {{prefix: /redirect/authority}}}}]
    redirect: {{authority: other.com, redirectCode: 302}}
  - match: [{{uri: {{prefix: /redirect/port}}}}]
    redirect: {{port: 8443, redirectCode: 303}}
  - match: [{{uri: {{prefix: /redirect/scheme}}}}]
    redirect: {{scheme: https, redirectCode: 307}}
  - match: [{{uri: {{prefix: /redirect/all}}}}]
    redirect: {{uri: /all, authority: other.com, port: 444, scheme: https, redirectCode: 308}}
  - match: [{{uri: {{prefix: /redirect/default}}}}]
    redirect: {{scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}}
  - match: [{{uri: {{prefix: /redirect/https}}}}]
    redirect: {{scheme: https, port: 443, authority: other.com}}
  - match: [{{uri: {{prefix: /redirect/prefix}}}}]
    redirect: {{prefixRewrite: /}}
  - match: [{{uri: {{prefix: /rewrite/plain}}}}]
    rewrite: {{uri: /new}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /rewrite/root}}}}]
    rewrite: {{uri: /}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /rewrite/slash/}}}}]
    rewrite: {{uri: /bar}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{exact: /rewrite/exact}}}}, {{uri: {{regex: "/rewrite/[0-9]+"}}}}]
    rewrite: {{uri: /whole}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /rewrite/regex}}}}]
    rewrite: {{uriRegexRewrite: {{match: "^/rewrite/regex/([^/]+)/(.*)$", rewrite: '/\2/of/\1'}}}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /rewrite/authority}}}}]
    rewrite: {{authority: rewritten.example.com}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /headers/one}}}}]
    headers: &operations
      request: {{set: {{x-set: rule, x-path: "%REQ(:path)%"}}, add: {{x-both: rule}}, remove: [x-gone]}}
      response: {{set: {{x-service: hidden}}, add: {{x-answer: rule}}, remove: [x-version]}}
    route:
    - destination: *web
      headers: &own
        request: {{add: {{x-both: destination}}, remove: [x-lost]}}
        response: {{add: {{x-answer: destination}}}}
  - match: [{{uri: {{prefix: /headers/two}}}}]
    headers: *operations
    route:
    - destination: *web
      headers: *own
      weight: 50
    - destination: *web
      headers: *own
      weight: 50
  - match: [{{uri: {{prefix: /headers/host}}}}]
    headers: {{request: {{set: {{Host: header.example.com}}}}}}
    route: [{{destination: *web}}]
  - match: [{{uri: {{prefix: /direct}}}}]
    directResponse: {{status: 503, body: {{string: "{"x" * 5000}"}}}}
    headers: {{response: {{add: {{x-direct: "yes"}}}}}}
  - match: [{{uri: {{prefix: /empty}}}}]
    directResponse: {{status: 204}}
  - match: [{{uri: {{prefix: /port}}, port: 8000}}]
    directResponse: {{status: 200, body: {{string: port 8000}}}}
  - match: [{{uri: {{prefix: /port}}, port: 80}}]
    directResponse: {{status: 200, body: {{string: port 80}}}}
  - match: [{{uri: {{prefix: /authority}}, authority: {{exact: {HOST}}}}}]
    directResponse: {{status: 200, body: {{string: without port}}}}
  - match: [{{uri: {{prefix: /authority}}}}]
    directResponse: {{status: 200, body: {{string: with port}}}}
  - match: [{{uri: {{prefix: /ready}}}}]
    route: [{{destination: *web}}]
"""
REDIRECTS = [
    ("/redirect/uri/x?a=b", 301, "http://{host}/there?a=b"),
    ("/redirect/authority/x?a=b", 302, "http://other.com/redirect/authority/x?a=b"),
    ("/redirect/port", 303, "http://{name}:8443/redirect/port"),
    ("/redirect/scheme", 307, "https://{host}/redirect/scheme"),
    ("/redirect/all/x", 308, "https://other.com:444/all"),
    ("/redirect/default", 301, "https://{host}/redirect/default"),
    ("/redirect/https", 301, "https://other.com/redirect/https"),
    ("/redirect/prefix/x", 301, "http://{host}/x"),
]
REWRITES = [
    ("/rewrite/plain/x?a=b", "/new/x?a=b"),
    ("/rewrite/root/x", "/x"),
    ("/rewrite/root", "/"),
    ("/rewrite/slash/x", "/bar/x"),
    ("/rewrite/exact?a", "/whole?a"),
    ("/rewrite/42", "/whole"),
    ("/rewrite/regex/one/two/three?a", "/two/three/of/one?a"),
    ("/ready/as/it/is?a=%2F", "/ready/as/it/is?a=%2F"),
]


@pytest.fixture(scope="module")
def stream() -> Stream:
    """What becomes of a request does not depend on the variant of the protocol."""
    return Stream.STATE_OF_THE_WORLD


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def services(mesh: LocalMesh) -> None:
    await mesh.workload("web", build_server=Script().build).add("v1")
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(RULES, "default")


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, entry: Entry) -> AsyncIterator[HttpClient]:
    await entry.client.wait_ok(Request("/ready", HOST), "web", context=mesh.describe)
    yield entry.client


@pytest_asyncio.fixture(loop_scope="session")
async def raw(client: HttpClient, entry: Entry) -> AsyncIterator[RawClient]:
    port = 80 if entry.proxy.ports else 8000
    async with RawClient(entry.proxy.address(port)) as raw:
        yield raw


@pytest.mark.parametrize("host", [HOST, f"{HOST}:30934"])
async def test_redirects(raw: RawClient, host: str) -> None:
    found = [await raw.send("GET", path, [("host", host)]) for path, _, _ in REDIRECTS]
    wanted = [(status, location.format(host=host, name=HOST)) for _, status, location in REDIRECTS]
    assert [(reply.status, reply.headers.get("location")) for reply in found] == wanted


async def test_rewrites(raw: RawClient) -> None:
    found = [await raw.send("GET", path, [("host", HOST)]) for path, _ in REWRITES]
    assert [reply.json["path"] for reply in found] == [path for _, path in REWRITES]


@pytest.mark.parametrize(
    ("path", "expected"), [("/rewrite/authority", "rewritten.example.com"), ("/headers/host", "header.example.com")]
)
async def test_another_authority(client: HttpClient, path: str, expected: str) -> None:
    assert (await client.get(path, HOST)).json["host"] == expected


@pytest.mark.parametrize("path", ["/headers/one", "/headers/two"])
async def test_headers_of_the_rule_and_of_its_destinations(raw: RawClient, path: str) -> None:
    sent = [("host", HOST), ("x-set", "own"), ("x-both", "own"), ("x-gone", "1"), ("x-lost", "1")]
    reply = await raw.send("GET", path, sent)
    got = {name.lower(): value for name, value in reply.json["headers"].items()}
    assert (got["x-set"], got["x-path"]) == ("rule", path)
    assert not {"x-gone", "x-lost"} & got.keys()
    assert sorted(value for name, value in reply.every if name == "x-answer") == ["destination", "rule"]
    assert (reply.headers["x-service"], "x-version" in reply.headers) == ("hidden", False)


@pytest.mark.parametrize("origin", ["https://a.com", "https://www.b.com"])
async def test_case_22_a_preflight_is_answered_by_the_proxy(raw: RawClient, origin: str) -> None:
    asking = [("host", HOST), ("origin", origin), ("access-control-request-method", "PUT")]
    reply = await raw.send("OPTIONS", "/cors", asking)
    assert (reply.status, reply.body) == (200, b"")
    found = {name.removeprefix("access-control-"): value for name, value in reply.headers.items()}
    assert (
        found
        | {
            "allow-origin": origin,
            "allow-methods": "GET,PUT",
            "allow-headers": "x-one,x-two",
            "allow-credentials": "true",
            "max-age": "86400",
        }
        == found
    )
    reply = await raw.send("GET", "/cors", [("host", HOST), ("origin", origin)])
    assert (reply.headers["access-control-allow-origin"], reply.headers["access-control-expose-headers"]) == (
        origin,
        "x-three",
    )


async def test_case_22_the_preflight_of_a_stranger(raw: RawClient) -> None:
    asking = [("host", HOST), ("origin", "https://evil.com"), ("access-control-request-method", "GET")]
    forwarded = await raw.send("OPTIONS", "/cors", asking)
    ignored = await raw.send("OPTIONS", "/ignored", asking)
    assert (forwarded.echoed is not None, ignored.echoed) == (True, None)
    for reply in (forwarded, ignored):
        assert (reply.status, "access-control-allow-origin" in reply.headers) == (200, False)


async def test_direct_responses(raw: RawClient) -> None:
    reply = await raw.send("GET", "/direct", [("host", HOST)])
    assert (reply.status, reply.body, reply.headers["x-direct"]) == (503, b"x" * 5000, "yes")
    assert (await raw.send("GET", "/empty", [("host", HOST)])).status == 204


async def test_a_match_for_a_port(client: HttpClient, entry: Entry) -> None:
    expected = b"port 80" if entry.proxy.ports else b"port 8000"
    assert (await client.get("/port", HOST)).body == expected


async def test_case_25_a_host_with_a_port(client: HttpClient) -> None:
    answer = await client.get("/ready", f"{HOST}:30934")
    assert (answer.status, answer.json["host"]) == (200, f"{HOST}:30934")
    assert (await client.get("/authority", HOST)).body == b"without port"
    assert (await client.get("/authority", f"{HOST}:30934")).body == b"with port"
