"""Bookinfo, as its own documentation has users try it: the application and each file of its networking folder."""

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import Document, StandInPort
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import bookinfo
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.traffic import Answer
from fairlead.mesh.waiting import wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.stage import collect_split

VERSIONS = {"productpage": ("v1",), "details": ("v1",), "ratings": ("v1",), "reviews": ("v1", "v2", "v3")}
# Who calls whom: these pods have a sidecar.
CALLS = {
    ("productpage", "v1"): ("details", "reviews"),
    ("reviews", "v2"): ("ratings",),
    ("reviews", "v3"): ("ratings",),
}
BASE = ("bookinfo-gateway.yaml", "destination-rule-all.yaml")
JASON = {"end-user": "jason"}
OTHER = {"end-user": "tania"}
DELAY = 7.0

SHARES = {
    "virtual-service-reviews-50-v3.yaml": {"v1": 50, "v3": 50},
    "virtual-service-reviews-80-20.yaml": {"v1": 80, "v2": 20},
    "virtual-service-reviews-90-10.yaml": {"v1": 90, "v2": 10},
    "virtual-service-reviews-v2-v3.yaml": {"v2": 50, "v3": 50},
    "virtual-service-reviews-v3.yaml": {"v3": 100},
}
USERS = {
    "virtual-service-reviews-jason-v2-v3.yaml": ("v2", "v3"),
    "virtual-service-reviews-test-v2.yaml": ("v2", "v1"),
}
RATINGS_SUBSETS = {
    "virtual-service-ratings-db.yaml": "v2",
    "virtual-service-ratings-mysql.yaml": "v2-mysql",
    "virtual-service-ratings-mysql-vm.yaml": "v2-mysql-vm",
}
SINGLE = {
    "certmanager-gateway.yaml",
    "destination-rule-all-mtls.yaml",
    "destination-rule-reviews.yaml",
    "egress-rule-google-apis.yaml",
    "fault-injection-details-v1.yaml",
    "virtual-service-all-v1.yaml",
    "virtual-service-details-v2.yaml",
    "virtual-service-ratings-test-abort.yaml",
    "virtual-service-ratings-test-delay.yaml",
}


@dataclass(frozen=True, slots=True)
class Bookinfo:
    """The running application: the sidecars of its callers, and who is behind it."""

    sidecars: Mapping[tuple[str, str], Proxy]
    workloads: Mapping[str, Workload]

    @property
    def page_sidecar(self) -> Proxy:
        return self.sidecars["productpage", "v1"]

    @property
    def review_sidecars(self) -> tuple[Proxy, ...]:
        return tuple(proxy for (role, _), proxy in self.sidecars.items() if role == "reviews")


class Networking:
    """Applies files of the networking folder on top of the base, and takes them away again."""

    def __init__(self, mesh: LocalMesh, samples: Path) -> None:
        self._mesh = mesh
        self._samples = samples
        self._applied: list[Document] = []

    def apply(self, *names: str) -> None:
        for name in names:
            self._applied += self._mesh.folder.apply_yaml(self._read(name), "default")

    def restore(self) -> None:
        kept = [d for name in BASE for d in self._mesh.folder.apply_yaml(self._read(name), "default")]
        names = {(d["kind"], d["metadata"]["name"]) for d in kept}
        for document in {(d["kind"], d["metadata"]["name"]): d for d in self._applied}.values():
            if (document["kind"], document["metadata"]["name"]) not in names:
                self._mesh.folder.delete(document)

    def _read(self, name: str) -> str:
        return (self._samples / "bookinfo-networking" / name).read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(mesh: LocalMesh, samples: Path, stream: Stream) -> Bookinfo:
    ips = {caller: mesh.addresses.ip() for caller in CALLS}
    workloads = {
        role: mesh.workload(
            role, ports=(StandInPort(9080, 9080),), build_server=functools.partial(build_server, ips=ips)
        )
        for role in VERSIONS
    }
    pods = {
        (role, version): pod
        for role, versions in VERSIONS.items()
        for version in versions
        for pod in await workloads[role].add(version)
    }
    mesh.folder.apply_yaml((samples / "apps" / "bookinfo.yaml").read_text(), "default")
    Networking(mesh, samples).restore()
    started = await asyncio.gather(*(mesh.start_sidecar(pods[key], stream, ip) for key, ip in ips.items()))
    return Bookinfo(dict(zip(ips, started, strict=True)), workloads)


def build_server(instance: Instance, ips: Mapping[tuple[str, str], str]) -> Backend:
    caller = (instance.service, instance.version)
    called = dict.fromkeys(CALLS.get(caller, ()), f"{ips.get(caller)}:9080")
    # Longer than the delay that one of the files injects.
    return bookinfo.build_backend(instance.service, instance, bookinfo.Upstreams(called, timeout=DELAY + 8))


@pytest.fixture
def networking(mesh: LocalMesh, samples: Path, app: Bookinfo) -> Iterator[Networking]:
    networking = Networking(mesh, samples)
    yield networking
    networking.restore()


@pytest_asyncio.fixture(loop_scope="session")
async def page(mesh: LocalMesh, ingress: Proxy, app: Bookinfo) -> AsyncIterator[HttpClient]:
    """A client of the product page through the gateway."""
    async with HttpClient(ingress.address(8080), timeout=DELAY + 10) as client:
        await client.wait_ok(Request("/productpage"), "productpage", context=mesh.describe)
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def inside(app: Bookinfo) -> AsyncIterator[HttpClient]:
    """A client in the place of the product page: what it sends goes through that sidecar."""
    async with HttpClient(app.page_sidecar.address(9080)) as client:
        yield client


def splits(config: EnvoyConfig, service: str) -> list[dict[str, int]]:
    """Per route of a service its subsets with their weights."""
    (host,) = (host for host in config.routes["9080"]["virtual_hosts"] if service in host["domains"])
    return [split_of(route["route"]) for route in host.get("routes", ())]


def split_of(action: Mapping[str, Any]) -> dict[str, int]:
    if "cluster" in action:
        return {action["cluster"].split("|")[2]: 100}
    return {c["name"].split("|")[2]: c["weight"] for c in action["weighted_clusters"]["clusters"]}


async def wait_splits(proxy: Proxy, service: str, *expected: dict[str, int]) -> None:
    await proxy.wait_config(lambda config: splits(config, service) == list(expected))


def rating(answer: Answer) -> Mapping[str, Any]:
    """What the product page shows as the first review's rating; empty if it shows none."""
    return dict(answer.json["reviews"]["reviews"][0].get("rating", {}))


def test_every_file_of_the_folder_is_tried(samples: Path) -> None:
    present = {path.name for path in (samples / "bookinfo-networking").glob("*.yaml")}
    assert present == {*BASE, *SHARES, *USERS, *RATINGS_SUBSETS, *SINGLE}


async def test_the_product_page_is_reachable_through_the_gateway(page: HttpClient) -> None:
    answer = await page.get("/productpage")
    assert answer.json["details"]["author"] == "William Shakespeare"
    assert answer.json["reviews"]["version"] in VERSIONS["reviews"]
    for path in ("/static/x", "/login", "/logout", "/api/v1/products/1"):
        # The gateway lets these through; the stand-in has no such page.
        assert (await page.get(path)).service == "productpage"
    unknown = await page.get("/ratings/0")
    assert (unknown.status, unknown.service) == (404, "")


async def test_without_rules_all_versions_of_reviews_take_turns(app: Bookinfo, inside: HttpClient) -> None:
    await wait_splits(app.page_sidecar, "reviews", {"": 100})
    third = dict.fromkeys(VERSIONS["reviews"], 1 / 3)
    await collect_split(lambda: inside.get("/reviews/0", "reviews:9080"), third, count=150, tolerance=0.15)


async def test_destination_rules_make_a_cluster_per_subset(app: Bookinfo) -> None:
    for role, workload in app.workloads.items():
        for version in ("v1", "v2", "v3") if role == "reviews" else ("v1",):
            pods = {workload.address(pod) for pod in workload.pods if pod.labels["version"] == version}
            await app.page_sidecar.wait_healthy_hosts(f"outbound|9080|{version}|{workload.service.host}", pods)
    config = await app.page_sidecar.admin.config()
    for subset in RATINGS_SUBSETS.values():
        assert config.hosts(f"outbound|9080|{subset}|ratings.default.svc.cluster.local") == frozenset()


@pytest.mark.parametrize(("file", "shares"), SHARES.items(), ids=SHARES)
async def test_reviews_are_shared_as_the_file_says(
    app: Bookinfo, networking: Networking, inside: HttpClient, file: str, shares: dict[str, int]
) -> None:
    networking.apply(file)
    await wait_splits(app.page_sidecar, "reviews", shares)
    expected = {version: shares.get(version, 0) / 100 for version in VERSIONS["reviews"]}
    await collect_split(lambda: inside.get("/reviews/0", "reviews:9080"), expected, count=600, tolerance=0.06)


@pytest.mark.parametrize(("file", "versions"), USERS.items(), ids=USERS)
async def test_one_user_sees_another_version(
    app: Bookinfo, networking: Networking, page: HttpClient, file: str, versions: tuple[str, str]
) -> None:
    networking.apply(file)
    for_jason, for_all = versions
    await wait_splits(app.page_sidecar, "reviews", {for_jason: 100}, {for_all: 100})
    for _ in range(10):
        assert (await page.get("/productpage", headers=JASON)).json["reviews"]["version"] == for_jason
        assert (await page.get("/productpage", headers=OTHER)).json["reviews"]["version"] == for_all
        assert (await page.get("/productpage")).json["reviews"]["version"] == for_all


async def test_all_services_can_be_held_at_version_1(app: Bookinfo, networking: Networking, page: HttpClient) -> None:
    networking.apply("virtual-service-all-v1.yaml")
    for role in VERSIONS:
        await wait_splits(app.page_sidecar, role, {"v1": 100})
    for _ in range(20):
        answer = await page.get("/productpage")
        assert answer.json["reviews"]["version"] == "v1"
        assert not rating(answer)


async def test_a_subset_without_pods_answers_503_and_the_page_lives(
    app: Bookinfo, networking: Networking, page: HttpClient
) -> None:
    networking.apply("virtual-service-details-v2.yaml")
    await wait_splits(app.page_sidecar, "details", {"v2": 100})
    answer = await page.get("/productpage")
    assert answer.status == 200
    assert answer.json["details"]["status"] == 503
    assert "error" not in answer.json["reviews"]


@pytest.mark.parametrize(("file", "subset"), RATINGS_SUBSETS.items(), ids=RATINGS_SUBSETS)
async def test_ratings_from_a_subset_without_pods_are_shown_as_missing(
    app: Bookinfo, networking: Networking, page: HttpClient, file: str, subset: str
) -> None:
    networking.apply(file)
    await wait_splits(app.page_sidecar, "reviews", {"v3": 100})
    for sidecar in app.review_sidecars:
        await wait_splits(sidecar, "ratings", {subset: 100})
    answer = await page.get("/productpage")
    assert answer.json["reviews"]["version"] == "v3"
    assert rating(answer)["status"] == 503


async def test_details_are_aborted_for_all(networking: Networking, app: Bookinfo, page: HttpClient) -> None:
    networking.apply("fault-injection-details-v1.yaml")
    await page.wait_for(Request("/productpage"), lambda answer: answer.json["details"].get("status") == 555)
    for _ in range(10):
        assert (await page.get("/productpage")).json["details"]["status"] == 555


async def test_ratings_are_aborted_for_one_user(networking: Networking, app: Bookinfo, page: HttpClient) -> None:
    networking.apply("virtual-service-reviews-v3.yaml", "virtual-service-ratings-test-abort.yaml")
    await wait_splits(app.page_sidecar, "reviews", {"v3": 100})
    jason = Request("/productpage", headers=JASON)
    await page.wait_for(jason, lambda answer: rating(answer).get("status") == 500)
    for _ in range(10):
        assert rating(await page.send(jason))["status"] == 500
        assert rating(await page.get("/productpage", headers=OTHER)) == {"stars": 5, "color": "red"}
        assert rating(await page.get("/productpage")) == {"stars": 5, "color": "red"}


@pytest.mark.slow
async def test_ratings_are_delayed_for_one_user(networking: Networking, app: Bookinfo, page: HttpClient) -> None:
    networking.apply("virtual-service-reviews-v3.yaml", "virtual-service-ratings-test-delay.yaml")
    await wait_splits(app.page_sidecar, "reviews", {"v3": 100})
    for sidecar in app.review_sidecars:
        await wait_splits(sidecar, "ratings", {"v1": 100}, {"v1": 100})
    jason = asyncio.create_task(page.get("/productpage", headers=JASON))
    for _ in range(10):
        assert rating(await page.get("/productpage", headers=OTHER)) == {"stars": 5, "color": "red"}
        assert rating(await page.get("/productpage")) == {"stars": 5, "color": "red"}
    assert not jason.done()
    answer = await jason
    assert answer.latency >= DELAY
    assert rating(answer) == {"stars": 5, "color": "red"}


async def test_the_load_balancer_of_reviews_can_be_altered(networking: Networking, app: Bookinfo) -> None:
    networking.apply("destination-rule-reviews.yaml")
    clusters = [f"outbound|9080|{subset}|reviews.default.svc.cluster.local" for subset in ("", "v1", "v2", "v3")]
    await app.page_sidecar.wait_config(
        lambda config: all(config.clusters[cluster].get("lb_policy") == "RANDOM" for cluster in clusters)
    )


async def test_rules_for_mutual_tls_are_said_to_wait_for_it_and_the_page_lives(
    mesh: LocalMesh, networking: Networking, app: Bookinfo, page: HttpClient
) -> None:
    networking.apply("destination-rule-all-mtls.yaml")

    async def probe() -> None:
        findings = await mesh.control_plane.debug("findings")
        said = {finding["object"] for finding in findings if finding.get("field") == "spec.trafficPolicy.tls.mode"}
        assert said == {f"DestinationRule default/{role}" for role in VERSIONS}

    await wait_until(probe, context=mesh.describe)
    assert "outbound|9080|v1|details.default.svc.cluster.local" in (await app.page_sidecar.admin.config()).clusters
    answer = await page.get("/productpage")
    assert "error" not in answer.json["details"]
    assert "error" not in answer.json["reviews"]


async def test_a_second_gateway_opens_its_own_port_and_leaves_the_first_alone(
    mesh: LocalMesh, networking: Networking, ingress: Proxy, page: HttpClient
) -> None:
    networking.apply("certmanager-gateway.yaml")
    async with HttpClient(ingress.address(80), keep_alive=False) as client:
        challenge = Request("/.well-known/acme-challenge/token")
        # The Service that answers challenges is not part of the sample.
        await client.wait_for(challenge, lambda answer: answer.status == 503, context=mesh.describe)
        assert (await client.get("/productpage")).status == 404
    assert (await page.get("/productpage")).status == 200


async def test_egress_rules_shape_the_way_to_an_external_host(
    mesh: LocalMesh, networking: Networking, app: Bookinfo
) -> None:
    if not mesh.addresses.may_listen(80):
        pytest.skip("the sidecar would listen on port 80, which this user may not")
    networking.apply("egress-rule-google-apis.yaml")
    https = "outbound|443||www.googleapis.com"
    # The three objects of the file are three changes, and the table of port 80 may have been there before them.
    config = await app.page_sidecar.wait_config(
        lambda config: (
            "transport_socket" in config.clusters[https]
            and clusters_of_host(config, "80", "www.googleapis.com") == {https}
        )
    )
    assert config.clusters[https]["cluster_type"]["name"] == "envoy.clusters.dns"


def clusters_of_host(config: EnvoyConfig, table: str, domain: str) -> set[str]:
    """Where the routes of a domain lead in a route table."""
    hosts = (host for host in config.routes[table]["virtual_hosts"] if domain in host["domains"])
    return {route["route"]["cluster"] for host in hosts for route in host["routes"]}


EXTERNAL = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: external
spec:
  hosts: [api.example.org]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - {{number: 8081, name: http, protocol: HTTP}}
  - {{number: 8443, name: http-inner, protocol: HTTP}}
  endpoints:
  - address: {ip}
    ports: {{http: 9, http-inner: 8080}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: rewrite-port
spec:
  hosts: [api.example.org]
  http:
  - match:
    - port: 8081
    route:
    - destination: {{host: api.example.org, port: {{number: 8443}}}}
"""


async def test_an_egress_rule_sends_requests_for_one_port_to_another_port_of_the_external_host(
    mesh: LocalMesh, app: Bookinfo
) -> None:
    ip = mesh.addresses.ip()
    instance = Instance("api.example.org", "v1", ip, 8080)
    async with (
        bookinfo.build_backend("details", instance),
        HttpClient(app.page_sidecar.address(8081), keep_alive=False) as client,
    ):
        documents = mesh.folder.apply_yaml(EXTERNAL.format(ip=ip), "default")
        try:
            await client.wait_ok(
                Request("/details/7", "api.example.org:8081"), "api.example.org", context=mesh.describe
            )
        finally:
            mesh.folder.delete(*documents)
