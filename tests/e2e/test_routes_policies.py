"""What a route does to requests on their way: faults, retries, timeouts, mirrors."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.traffic import Traffic
from fairlead.mesh.waiting import wait_until
from tests.e2e.backends import RESET, Script

RULES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /delayed}}]
    fault: {delay: {fixedDelay: 0.4s, percentage: {value: 50}}}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /aborted}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 30}}}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /both}}]
    fault:
      delay: {fixedDelay: 0.2s, percentage: {value: 100}}
      abort: {httpStatus: 555, percentage: {value: 100}}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /never}}]
    fault: {abort: {httpStatus: 500}}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /retry-5xx}}]
    retries: {attempts: 3, retryOn: 5xx, backoff: 1ms}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /retry-codes}}]
    retries: {attempts: 2, retryOn: "reset,503", backoff: 1ms}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /retry-off}}]
    retries: {attempts: 0}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /retry-slow}}]
    retries: {attempts: 2, perTryTimeout: 0.3s, retryOn: "5xx", backoff: 1ms}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /timeout}}]
    timeout: 0.3s
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /mirrored}}]
    mirror: {host: shadow}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /sampled}}]
    mirror: {host: shadow}
    mirrorPercentage: {value: 30}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /unmirrored}}]
    mirror: {host: shadow}
    mirrorPercentage: {value: 0}
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /twice}}]
    mirrors: [{destination: {host: shadow}}, {destination: {host: shadow}}]
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /dead}}]
    mirrors: [{destination: {host: empty}}, {destination: {host: nowhere}}, {destination: {host: closed}}]
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /ready}}]
    route: [{destination: {host: web}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: closed
spec:
  hosts: [closed.example.com]
  ports: [{number: 8000, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: 1}}]
"""


@pytest.fixture(scope="module")
def stream() -> Stream:
    """What requests meet does not depend on the variant of the protocol."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scripts(mesh: LocalMesh) -> dict[str, Script]:
    found = {"web": Script(), "shadow": Script()}
    for name, script in found.items():
        await mesh.workload(name, build_server=script.build).add("v1")
    mesh.workload("empty")
    mesh.folder.apply_yaml(RULES.replace("host: closed}", "host: closed.example.com}"), "default")
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, sleep: Proxy, scripts: dict[str, Script]) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000)) as client:
        await client.wait_ok(Request("/ready", "web"), "web", context=mesh.describe)
        for script in scripts.values():
            script.statuses.clear()
            script.delays.clear()
            script.seen.clear()
        yield client


async def sent(client: HttpClient, path: str, count: int) -> Traffic:
    return await send_many(lambda: client.get(path, "web"), count)


async def test_half_of_the_requests_are_delayed(client: HttpClient) -> None:
    traffic = await sent(client, "/delayed", 100)
    slow = [answer for answer in traffic if answer.latency >= 0.39]
    assert traffic.by_status() == {200: 100}
    assert 25 <= len(slow) <= 75


async def test_a_share_of_the_requests_is_aborted(client: HttpClient, scripts: dict[str, Script]) -> None:
    traffic = await sent(client, "/aborted", 500)
    statuses = traffic.by_status()
    assert 100 <= statuses[418] <= 200
    assert statuses[200] == 500 - statuses[418] == len(scripts["web"].seen)


async def test_delay_and_abort_together(client: HttpClient, scripts: dict[str, Script]) -> None:
    answer = await client.get("/both", "web")
    assert (answer.status, answer.latency >= 0.19, scripts["web"].seen) == (555, True, [])


async def test_an_abort_without_percentage_never_happens(client: HttpClient) -> None:
    assert (await sent(client, "/never", 50)).by_status() == {200: 50}


@pytest.mark.parametrize(
    ("path", "statuses", "expected"),
    [
        ("/retry-5xx", [500, 503, 502], (200, 4)),
        ("/retry-5xx", [500] * 4, (500, 4)),
        ("/retry-5xx", [404], (404, 1)),
        ("/retry-codes", [503, RESET], (200, 3)),
        ("/retry-codes", [503] * 3, (503, 3)),
        ("/retry-codes", [500], (500, 1)),
        ("/retry-off", [503], (503, 1)),
        # Istio: without a policy there are two retries, but not of a 503 that the backend means.
        ("/ready", [503], (503, 1)),
    ],
)
async def test_a_backend_that_fails_so_many_times(
    client: HttpClient, scripts: dict[str, Script], path: str, statuses: list[int], expected: tuple[int, int]
) -> None:
    scripts["web"].statuses.extend(statuses)
    answer = await client.get(path, "web")
    assert (answer.status, len(scripts["web"].seen)) == expected


async def test_a_try_that_takes_too_long_is_given_up_for_the_next(
    client: HttpClient, scripts: dict[str, Script]
) -> None:
    scripts["web"].delays.extend([5.0, 5.0])
    answer = await client.get("/retry-slow", "web")
    assert (answer.status, len(scripts["web"].seen)) == (200, 3)
    assert answer.latency >= 0.58


async def test_a_timeout_ends_the_request(client: HttpClient, scripts: dict[str, Script]) -> None:
    scripts["web"].delays.append(5.0)
    answer = await client.get("/timeout", "web")
    assert answer.status == 504
    assert 0.29 <= answer.latency < 5


async def test_without_a_timeout_a_slow_answer_is_waited_for(client: HttpClient, scripts: dict[str, Script]) -> None:
    scripts["web"].delays.append(1.0)
    answer = await client.get("/ready", "web")
    assert (answer.status, answer.latency >= 0.99) == (200, True)


async def mirrored(scripts: dict[str, Script], count: int) -> list[tuple[str, str]]:
    """What the mirror got, once it has got so much."""

    async def probe() -> None:
        assert len(scripts["shadow"].seen) >= count, f"{len(scripts['shadow'].seen)} of {count}"

    await wait_until(probe)
    return scripts["shadow"].seen


async def test_every_request_is_mirrored_under_its_own_host(client: HttpClient, scripts: dict[str, Script]) -> None:
    traffic = await sent(client, "/mirrored/x?q", 50)
    assert {(answer.status, answer.service) for answer in traffic} == {(200, "web")}
    assert await mirrored(scripts, 50) == [("web", "/mirrored/x?q")] * 50


async def test_a_share_is_mirrored(client: HttpClient, scripts: dict[str, Script]) -> None:
    await sent(client, "/sampled", 400)
    await sent(client, "/unmirrored", 20)
    await sent(client, "/mirrored", 1)
    seen = await mirrored(scripts, 81)
    assert 80 <= len([path for _, path in seen if path == "/sampled"]) <= 160
    assert not [path for _, path in seen if path == "/unmirrored"]


async def test_two_mirrors_get_a_copy_each(client: HttpClient, scripts: dict[str, Script]) -> None:
    await sent(client, "/twice", 10)
    assert len(await mirrored(scripts, 20)) == 20


async def test_dead_mirrors_change_nothing_for_clients(client: HttpClient) -> None:
    async with asyncio.timeout(10):
        traffic = await sent(client, "/dead", 100)
    assert {(answer.status, answer.service) for answer in traffic} == {(200, "web")}
