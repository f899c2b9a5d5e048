"""Broken resources are named with file or object, field and reason; the healthy mesh does not notice."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.stage import GATEWAY, Entry

HOST = "httpbin.default.svc.cluster.local"
REQUEST = Request("/headers", HOST)


def virtual_service(spec: str, name: str = "httpbin", host: str = HOST) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
  namespace: default
spec:
  hosts: [{host}]
  gateways: [mesh, frontend-gateway]
{spec}
"""


def routed(*destinations: str) -> str:
    lines = "\n".join(f"    - {destination}" for destination in destinations)
    return f"  http:\n  - route:\n{lines}"


HEALTHY = virtual_service(routed(f"destination: {{host: {HOST}}}"))


@dataclass(frozen=True, slots=True)
class Fault:
    """A text that replaces the good VirtualService, and what must be said about it."""

    text: str
    field: str
    reason: str


REFUSED = {
    "unknown field": Fault(
        virtual_service(f"  htttp:\n  - route:\n    - destination: {{host: {HOST}}}"), r"spec\.htttp", "unknown field"
    ),
    "wrong type": Fault(virtual_service("  http: all"), r"spec\.http", "expected"),
    "negative weight": Fault(
        virtual_service(routed(f"{{destination: {{host: {HOST}}}, weight: -1}}")),
        r"spec\.http\[0\]\.route\[0\]\.weight",
        "-1|negative|between|minimum|>= 0",
    ),
    "no action": Fault(virtual_service("  http:\n  - match: [{uri: {prefix: /}}]"), r"spec\.http\[0\]", "must be set"),
    "invalid regex": Fault(
        virtual_service(
            f"  http:\n  - match: [{{uri: {{regex: '['}}}}]\n    route: [{{destination: {{host: {HOST}}}}}]"
        ),
        r"spec\.http\[0\]\.match\[0\]\.uri",
        r"RE2 expression: missing \]",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def httpbin(mesh: LocalMesh) -> Workload:
    workload = mesh.workload("httpbin")
    await workload.add("v1", replicas=2)
    mesh.folder.apply_yaml(GATEWAY, "default")
    return workload


@pytest_asyncio.fixture(loop_scope="session")
async def load(mesh: LocalMesh, entry: Entry, httpbin: Workload) -> AsyncIterator[LoadGenerator]:
    """Load on the healthy part for the length of a test; none of it may fail."""
    mesh.folder.write_text("routes.yaml", HEALTHY)
    await wait_flawless(mesh)
    await entry.client.wait_ok(REQUEST, "httpbin", context=mesh.describe)
    async with LoadGenerator(lambda: entry.client.send(REQUEST), rate=100) as load:
        yield load
    assert load.traffic.by_status() == {200: len(load.traffic)}, load.traffic.describe_failures()


async def wait_finding(mesh: LocalMesh, **fields: str) -> None:
    """Wait until the control plane has a finding whose fields match; it has logged it, too."""

    async def probe() -> None:
        findings = await mesh.control_plane.debug("findings")
        if not any(matches(finding, fields) for finding in findings):
            raise NotYetError(f"no finding with {fields} among {findings}")

    await wait_until(probe, context=mesh.describe)
    assert any(record["event"] == "finding.new" and matches(record, fields) for record in mesh.control_plane.records())


def matches(finding: Mapping[str, object], fields: Mapping[str, str]) -> bool:
    return all(re.search(pattern, str(finding.get(name, ""))) for name, pattern in fields.items())


async def wait_flawless(mesh: LocalMesh) -> None:
    """Wait until there is no finding."""

    async def probe() -> None:
        assert await mesh.control_plane.debug("findings") == []

    await wait_until(probe, context=mesh.describe)


async def prove_that_changes_still_arrive(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    (late,) = await httpbin.add("v1")
    await load.wait_instance(httpbin.address(late))
    httpbin.remove(late)


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED)
async def test_the_last_good_version_of_a_refused_object_stays(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload, fault: Fault
) -> None:
    mesh.folder.write_text("routes.yaml", fault.text)
    await wait_finding(mesh, file=r"routes\.yaml$", object="default/httpbin", field=fault.field, reason=fault.reason)
    await prove_that_changes_still_arrive(mesh, entry, load, httpbin)


async def test_a_broken_document_does_not_hide_the_others_in_its_file(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    good = virtual_service(
        f"  http:\n  - directResponse: {{status: 418}}\n    match: [{{uri: {{prefix: /teapot}}}}]\n"
        f"  - route: [{{destination: {{host: {HOST}}}}}]"
    )
    wrong = REFUSED["wrong type"].text.replace("name: httpbin", "name: wrong")
    mesh.folder.write_text("routes.yaml", f"kind: [\n---\n{wrong}\n---\n{good}")
    await wait_finding(mesh, file=r"routes\.yaml$", document="^1$", line="^[12]$")
    await wait_finding(mesh, file=r"routes\.yaml$", document="^2$", field=r"^spec\.http$", reason="expected")
    await entry.client.wait_for(Request("/teapot", HOST), lambda answer: answer.status == 418, context=mesh.describe)


async def test_a_subset_that_does_not_exist_is_named_and_costs_only_its_own_route(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    mesh.folder.write_text(
        "routes.yaml",
        virtual_service(
            "  http:\n"
            f"  - match: [{{uri: {{prefix: /missing}}}}]\n    route: [{{destination: {{host: {HOST}, subset: v9}}}}]\n"
            f"  - route: [{{destination: {{host: {HOST}}}}}]"
        ),
    )
    await entry.client.wait_for(Request("/missing", HOST), lambda answer: answer.status == 503, context=mesh.describe)
    await wait_finding(
        mesh, object="default/httpbin", field=r"^spec\.http\[0\]\.route\[0\]\.destination\.subset$", reason="v9"
    )
    await prove_that_changes_still_arrive(mesh, entry, load, httpbin)


async def test_weights_that_do_not_add_up_to_100_are_named(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    mesh.folder.write_text(
        "routes.yaml",
        virtual_service(
            routed(
                f"{{destination: {{host: {HOST}}}, weight: 50}}",
                f"{{destination: {{host: {HOST}, port: {{number: 8000}}}}, weight: 20}}",
            )
        ),
    )
    await wait_finding(mesh, object="default/httpbin", field=r"^spec\.http\[0\]\.route$", reason="70")
    await prove_that_changes_still_arrive(mesh, entry, load, httpbin)


async def test_a_gateway_that_does_not_exist_is_named(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    text = virtual_service(routed(f"destination: {{host: {HOST}}}"), name="lost", host="lost.example.org")
    mesh.folder.write_text("lost.yaml", text.replace("[mesh, frontend-gateway]", "[no-such-gateway]"))
    await wait_finding(mesh, object="default/lost", field=r"^spec\.gateways\[0\]$", reason="no-such-gateway")
    await prove_that_changes_still_arrive(mesh, entry, load, httpbin)
    mesh.folder.remove("lost.yaml")


async def test_of_two_virtual_services_for_one_host_the_older_one_holds_and_the_other_is_named(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    rival = virtual_service("  http:\n  - directResponse: {status: 418}", name="zz-rival")
    mesh.folder.write_text("rival.yaml", rival.replace("[mesh, frontend-gateway]", "[mesh]"))
    await wait_finding(mesh, object="default/zz-rival", field=r"^spec\.hosts\[0\]$", reason="default/httpbin")
    await prove_that_changes_still_arrive(mesh, entry, load, httpbin)
    mesh.folder.remove("rival.yaml")


async def test_everything_is_there_again_when_the_faults_are_mended(
    mesh: LocalMesh, entry: Entry, load: LoadGenerator, httpbin: Workload
) -> None:
    mesh.folder.write_text("routes.yaml", REFUSED["no action"].text)
    mesh.folder.write_text(
        "routes.yaml",
        virtual_service("  http:\n  - rewrite: {uri: /mended/}\n    route: [{destination: {host: httpbin}}]"),
    )
    await entry.client.wait_for(
        Request("/all", HOST), lambda answer: answer.status == 200 and answer.json["path"] == "/mended/all"
    )
