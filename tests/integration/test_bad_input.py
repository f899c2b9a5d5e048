"""Whatever is wrong with the input is said clearly, and everything healthy goes on; docs/bad-input.md lists it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from envoy.config.core.v3 import base_pb2

from fairlead.sources.folder import MEBIBYTE
from tests.integration.serving import DeltaClient, Rig, identity, serving
from xds.types import ENDPOINT

WEB = "outbound|8000||web.default.svc.cluster.local"


def virtual_service(spec: str, name: str = "bad") -> str:
    """A VirtualService with a spec in flow style."""
    return f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec: {spec}\n"


class Case(NamedTuple):
    """A bad document, and what has to be said of it: the start of a field path, and a part of the reason."""

    text: str
    code: str
    field: str
    reason: str
    severity: str = "error"


GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bad}
spec:
  selector: {istio: nobody}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {istio: ingressgateway}}\n---\n"

CASES = {
    "unknown field": Case(
        virtual_service("{hosts: [web], http: [{rout: []}]}"),
        "IST0106",
        "spec.http[0].rout",
        "unknown field; did you mean route?",
    ),
    "wrong type": Case(virtual_service("{hosts: web}"), "IST0106", "spec.hosts", "expected array, got str"),
    "weights that are all zero": Case(
        virtual_service(
            "{hosts: [web], http: [{route: [{destination: {host: web}, weight: 0},"
            " {destination: {host: web}, weight: 0}]}]}"
        ),
        "IST0106",
        "spec.http[0].route",
        "the weights add up to 0",
    ),
    "weights that do not add up to 100": Case(
        virtual_service(
            "{hosts: [web], http: [{route: [{destination: {host: web}, weight: 60},"
            " {destination: {host: web}, weight: 30}]}]}"
        ),
        "FL0101",
        "spec.http[0].route",
        "the weights add up to 90, not to 100",
        "warning",
    ),
    "a host that nobody provides": Case(
        virtual_service("{hosts: [web], http: [{route: [{destination: {host: nobody}}]}]}"),
        "IST0101",
        "spec.http[0].route[0].destination.host",
        "host nobody.default.svc.cluster.local is provided by no Service or ServiceEntry",
    ),
    "a port that the host does not have": Case(
        virtual_service("{hosts: [web], http: [{route: [{destination: {host: web, port: {number: 81}}}]}]}"),
        "IST0101",
        "spec.http[0].route[0].destination.port.number",
        "has no port 81 (it has: 8000)",
    ),
    "a subset without DestinationRule": Case(
        virtual_service("{hosts: [web], http: [{route: [{destination: {host: web, subset: v1}}]}]}"),
        "IST0101",
        "spec.http[0].route[0].destination.subset",
        "no DestinationRule for host web.default.svc.cluster.local defines subset 'v1'",
    ),
    "a Gateway without a matching proxy": Case(
        POD + GATEWAY, "IST0101", "spec.selector", "no pod has the labels istio=nobody", "warning"
    ),
    "a VirtualService without existing Gateway": Case(
        virtual_service("{hosts: [web], gateways: [nowhere], http: [{route: [{destination: {host: web}}]}]}"),
        "IST0101",
        "spec.gateways[0]",
        "Gateway default/nowhere does not exist",
    ),
    "two VirtualServices for one host": Case(
        virtual_service("{hosts: [web], http: [{route: [{destination: {host: web}}]}]}", "a-first")
        + "---\n"
        + virtual_service("{hosts: [web], http: [{route: [{destination: {host: web}}]}]}", "b-second"),
        "IST0109",
        "spec.hosts[0]",
        "VirtualService default/a-first is for the same host and comes first",
    ),
    "duplicate hosts": Case(
        virtual_service("{hosts: [web, web], http: [{route: [{destination: {host: web}}]}]}"),
        "IST0106",
        "spec.hosts",
        "web",
    ),
    "an invalid regular expression": Case(
        virtual_service("{hosts: [web], http: [{match: [{uri: {regex: '(['}}], route: [{destination: {host: web}}]}]}"),
        "IST0106",
        "spec.http[0].match[0].uri.regex",
        "",
    ),
    "an invalid port": Case(
        GATEWAY.replace("number: 80", "number: 80000"), "IST0106", "spec.servers[0].port.number", "80000"
    ),
    "broken YAML": Case("spec: [", "FL0002", "", "did not find expected node content"),
    "no kind": Case("apiVersion: v1\nmetadata: {name: x}", "IST0106", "kind", "required field is missing"),
    "no object": Case("- 1\n- 2", "IST0106", "", "expected an object"),
    "a key given twice": Case("kind: Service\nkind: Pod\n", "FL0002", "", "field 'kind' is given twice"),
}


@pytest.fixture
async def rig(root: Path) -> AsyncIterator[Rig]:
    async with serving(root) as rig:
        yield rig


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[DeltaClient]:
    async with DeltaClient(rig.plane.xds_address) as client:
        await client.introduce()
        await client.until(lambda: client.clusters() == {WEB})
        await client.subscribe(ENDPOINT, [WEB])
        await client.until(lambda: bool(client.endpoints(WEB)))
        yield client


async def check_healthy(rig: Rig, client: DeltaClient, healthy: str) -> None:
    """What is healthy is still followed."""
    rig.write("web.yaml", healthy.replace("[10.1.0.1]", "[10.1.0.77]"))
    await client.until(lambda: client.endpoints(WEB) == {"10.1.0.77"})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_bad_document(rig: Rig, client: DeltaClient, healthy: str, case: Case) -> None:
    rig.write("bad.yaml", case.text)
    entry = await rig.logged("finding.new", code=case.code, severity=case.severity)
    assert entry["file"] == "bad.yaml"
    assert entry["line"] > 0
    assert entry.get("field", "").startswith(case.field)
    assert case.reason in entry["reason"]
    (finding,) = [each for each in await rig.findings() if each["code"] == case.code]
    assert finding["reason"] == entry["reason"]
    await check_healthy(rig, client, healthy)
    (rig.root / "bad.yaml").unlink()
    await rig.logged("finding.resolved", code=case.code)


async def test_the_rest_of_a_file_with_a_broken_document(rig: Rig, client: DeltaClient, healthy: str) -> None:
    api = healthy.replace("web", "api").replace("10.96.0.1", "10.96.0.2")
    rig.write("bad.yaml", f"broken: [\n---\n{virtual_service('{hosts: 7}')}---\n{api}")
    await client.until(lambda: len(client.clusters()) == 2)
    documents = {finding["document"]: finding["line"] for finding in await rig.findings()}
    assert documents == {1: 2, 2: 6}
    await check_healthy(rig, client, healthy)


async def test_the_last_good_version_stays_in_force(rig: Rig, client: DeltaClient, healthy: str) -> None:
    rig.write("web.yaml", healthy.replace("addresses: [10.1.0.1]", "addresses: 10.1.0.1"))
    entry = await rig.logged("finding.new")
    assert entry["object"] == "EndpointSlice default/web-1"
    assert entry["field"] == "endpoints[0].addresses"
    async with DeltaClient(rig.plane.xds_address) as newcomer:
        await newcomer.introduce(identity("newcomer"))
        await newcomer.subscribe(ENDPOINT, [WEB])
        await newcomer.until(lambda: newcomer.endpoints(WEB) == {"10.1.0.1"})
    await check_healthy(rig, client, healthy)
    await rig.logged("finding.resolved")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n---\n"])
async def test_empty_documents(rig: Rig, client: DeltaClient, healthy: str, text: str) -> None:
    rig.write("empty.yaml", text)
    await check_healthy(rig, client, healthy)
    assert await rig.findings() == []


async def test_a_binary_file(rig: Rig, client: DeltaClient, healthy: str) -> None:
    (rig.root / "binary.yaml").write_bytes(bytes(range(256)) * 100)
    entry = await rig.logged("finding.new", file="binary.yaml")
    assert entry["reason"] == "is a binary file, not YAML or JSON"
    await check_healthy(rig, client, healthy)


async def test_a_file_of_50_megabytes(rig: Rig, client: DeltaClient, healthy: str) -> None:
    with (rig.root / "large.yaml").open("wb") as file:
        file.truncate(50 * MEBIBYTE)
    entry = await rig.logged("finding.new", file="large.yaml")
    assert entry["reason"] == "is too large: 50.0 MiB, and the limit is 32 MiB"
    await check_healthy(rig, client, healthy)


async def test_loops_of_symbolic_links(rig: Rig, client: DeltaClient, healthy: str) -> None:
    (rig.root / "again").symlink_to(".")
    entry = await rig.logged("finding.new", file="again")
    assert "symbolic link" in entry["reason"]
    (rig.root / "a.yaml").symlink_to("b.yaml")
    (rig.root / "b.yaml").symlink_to("a.yaml")
    entry = await rig.logged("finding.new", file="a.yaml")
    assert entry["reason"] == "cannot be read: too many levels of symbolic links"
    await check_healthy(rig, client, healthy)


async def test_what_cannot_be_read(rig: Rig, client: DeltaClient, healthy: str) -> None:
    os.mkfifo(rig.root / "pipe.yaml")
    (rig.root / "nowhere.yaml").symlink_to("gone.yaml")
    assert (await rig.logged("finding.new", file="pipe.yaml"))["reason"] == "is not a regular file"
    assert "does not exist" in (await rig.logged("finding.new", file="nowhere.yaml"))["reason"]
    await check_healthy(rig, client, healthy)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can read every file")
async def test_a_file_without_permission(rig: Rig, client: DeltaClient, healthy: str) -> None:
    rig.write("secret.yaml", "x").chmod(0)
    assert (await rig.logged("finding.new", file="secret.yaml"))["reason"] == "cannot be read: permission denied"
    await check_healthy(rig, client, healthy)


async def test_garbage_on_a_stream(rig: Rig, client: DeltaClient, healthy: str) -> None:
    for garbage in (b"\xff" * 100, b"\x0a\xff", b"GET / HTTP/1.1\r\n\r\n"):
        async with DeltaClient(rig.plane.xds_address) as stranger:
            await stranger.call.write(garbage)
            code, reason = await stranger.status()
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert reason
    assert (await rig.logged("stream.refused"))["code"] == "INVALID_ARGUMENT"
    await check_healthy(rig, client, healthy)


async def test_a_missing_node(rig: Rig, client: DeltaClient, healthy: str) -> None:
    async with DeltaClient(rig.plane.xds_address) as stranger:
        await stranger.subscribe(ENDPOINT, ["x"])
        code, reason = await stranger.status()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "node" in reason
    await check_healthy(rig, client, healthy)


async def test_a_node_with_numbers_that_json_does_not_know(rig: Rig, client: DeltaClient, healthy: str) -> None:
    node = base_pb2.Node(id=identity().node_id)
    node.metadata.fields["NAMESPACE"].number_value = float("nan")
    async with DeltaClient(rig.plane.xds_address) as stranger:
        await stranger.introduce(node)
        code, reason = await stranger.status()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be read" in reason
    await check_healthy(rig, client, healthy)
