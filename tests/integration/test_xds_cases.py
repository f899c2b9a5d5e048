"""What a change of the mesh makes the control plane send, and what it does not."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import yaml

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.offline import OfflineMesh, read_paths
from tests.integration.proxy_stream import Heard, ProxyStream, changed, proxy_stream
from tests.integration.serving import Rig, identity, serving
from tests.unit.translator import mesh_kit
from translator.model.proxy import Capture, Role
from translator.settings import Settings
from translator.translator import Translator
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl

WEB = "outbound|8000||web.default.svc.cluster.local"
GATEWAY_LABELS = {"istio": "ingressgateway"}
API = """\
apiVersion: v1
kind: Service
metadata: {name: api, namespace: default}
spec:
  clusterIP: 10.96.0.2
  selector: {app: api}
  ports: [{name: http, port: 8000, targetPort: 80}]
"""
API_CLUSTER = "outbound|8000||api.default.svc.cluster.local"


def custom(kind: str, name: str, spec: str, namespace: str = "default", labels: str = "{}") -> str:
    """An object of Istio's networking group."""
    metadata = f"{{name: {name}, namespace: {namespace}, labels: {labels}}}"
    return f"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n"


def slice_of(name: str, *addresses: str) -> str:
    """The EndpointSlice of a service."""
    listed = ", ".join(f"{{addresses: [{address}], conditions: {{ready: true}}}}" for address in addresses)
    return f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints: [{listed}]
"""


def service_named(name: str) -> str:
    """A service with an address that its name determines."""
    number = int(name.rpartition("-")[2])
    return API.replace("name: api", f"name: {name}").replace("10.96.0.2", f"10.97.{number // 200}.{number % 200 + 1}")


def timeout_rule(seconds: int) -> str:
    """A DestinationRule that changes a cluster and nothing else."""
    return custom(
        "DestinationRule",
        "web",
        f"{{host: web, trafficPolicy: {{connectionPool: {{tcp: {{connectTimeout: {seconds}s}}}}}}}}",
    )


@pytest.fixture
async def rig(root: Path) -> AsyncIterator[Rig]:
    (root / "web.yaml").write_text((root / "web.yaml").read_text().partition("---\n")[0])
    (root / "endpoints.yaml").write_text(slice_of("web", "10.1.0.1"))
    (root / "api.yaml").write_text(API)
    async with serving(root) as rig:
        yield rig


@pytest.fixture
async def proxy(rig: Rig) -> AsyncIterator[ProxyStream]:
    """A sidecar with interception that has everything."""
    async with proxy_stream(rig, identity(capture=Capture.REDIRECT)) as stream:
        await stream.start()
        yield stream


@pytest.fixture
async def gateway(rig: Rig) -> AsyncIterator[ProxyStream]:
    """A gateway that has everything."""
    async with proxy_stream(rig, identity("gateway", role=Role.GATEWAY, labels=GATEWAY_LABELS)) as stream:
        await stream.start()
        yield stream


def briefs(heard: list[Heard]) -> list[tuple[str, list[str]]]:
    return [each.brief for each in heard]


def web_addresses(heard: Heard, cluster: str = WEB) -> list[str]:
    return [
        endpoint.endpoint.address.socket_address.address
        for group in heard.resources[cluster].endpoints
        for endpoint in group.lb_endpoints
    ]


async def test_case_10_a_a_changed_cluster_is_followed_by_its_endpoints(rig: Rig, proxy: ProxyStream) -> None:
    heard = await proxy.reaction(lambda: rig.write("rule.yaml", timeout_rule(3)), "DestinationRule default/web")
    assert briefs(heard) == [("cds", [WEB]), ("eds", [WEB])]
    assert heard[0].resources[WEB].connect_timeout.total_seconds() == 3


def test_case_11_b_the_order_of_the_input_changes_no_byte(root: Path, samples: Path) -> None:
    found = {
        (document["kind"], document["metadata"]["name"]): document
        for path in sorted((samples / "bookinfo-networking").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document
    }
    documents = list(found.values())
    documents += yaml.safe_load_all((root / "web.yaml").read_text())
    documents.append(yaml.safe_load(timeout_rule(3)))
    built = []
    for seed in range(4):
        random.Random(seed).shuffle(documents)
        (root / "web.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
        view = OfflineMesh(Settings(), read_paths([root])).view_of(identity(capture=Capture.REDIRECT))
        types = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
        built.append(sorted((r.name, r.body) for type_url in types for r in view.resources(type_url).values()))
    assert built[1:] == built[:-1]
    assert len(built[0]) > 10


async def test_case_12_another_endpoint_sends_the_endpoints_of_its_host_alone(rig: Rig, proxy: ProxyStream) -> None:
    heard = await proxy.reaction(
        lambda: rig.write("endpoints.yaml", slice_of("web", "10.1.0.1", "10.1.0.2")), "EndpointSlice default/web-1"
    )
    assert briefs(heard) == [("eds", [WEB])]
    assert web_addresses(heard[0]) == ["10.1.0.1", "10.1.0.2"]


async def test_case_13_a_endpoints_that_come_and_go_are_endpoints_alone(rig: Rig, proxy: ProxyStream) -> None:
    gone = await proxy.reaction(lambda: rig.write("endpoints.yaml", slice_of("web")), "EndpointSlice default/web-1")
    back = await proxy.reaction(
        lambda: rig.write("endpoints.yaml", slice_of("web", "10.1.0.1")), "EndpointSlice default/web-1"
    )
    assert briefs(gone) == briefs(back) == [("eds", [WEB])]
    assert (web_addresses(gone[0]), web_addresses(back[0])) == ([], ["10.1.0.1"])


def test_case_13_b_who_answers_for_a_service_is_in_its_cluster() -> None:
    def running(name: str, account: str) -> str:
        return mesh_kit.pod(name, f"10.1.0.{name[-1]}", serviceAccountName=account)

    def listed(*names: str, ready: bool = True) -> str:
        each = (mesh_kit.endpoint(f"10.1.0.{name[-1]}", name, ready=ready) for name in names)
        return mesh_kit.endpoint_slice("web-1", *each)

    translator = Translator(Settings())
    secured = mesh_kit.rule("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")
    pods = (running("web-1", "web"), running("web-2", "web"), running("web-3", "other"))
    for text in (mesh_kit.service(), secured, *pods, listed("web-1")):
        translator.apply(mesh_kit.writes(text))
    view = translator.bind(msgspec.structs.replace(mesh_kit.SIDECAR, has_identity=True)).view

    def pushed(text: str = "") -> dict[TypeUrl, set[str]]:
        translator.apply(mesh_kit.writes(text) if text else ())
        for _ in view.refresh():
            pass
        return {type_url: set(names) for type_url, names in view.commit().items()}

    pushed()
    cluster = "outbound|80||web.default.svc.cluster.local"
    for text in (listed("web-1", ready=False), listed("web-1"), listed("web-1", "web-2")):
        assert pushed(text) == {ENDPOINT: {cluster}}, "the accounts are the same"
    assert pushed(listed("web-1", "web-2", "web-3")) == {CLUSTER: {cluster}, ENDPOINT: {cluster}}


@pytest.mark.parametrize("delta", [False, True])
async def test_case_14_endpoints_of_an_unknown_name(rig: Rig, *, delta: bool) -> None:
    async with proxy_stream(rig, delta=delta) as stream:
        await stream.ask(CLUSTER)
        await stream.next()
        await stream.ask(ENDPOINT, ["outbound|80||nowhere"])
        answer = await stream.next()
        if delta:
            assert (answer.resources, answer.removed) == ({}, ("outbound|80||nowhere",))
        else:
            assert web_addresses(answer, "outbound|80||nowhere") == []


@pytest.mark.parametrize("delta", [False, True])
async def test_case_15_a_table_that_no_listener_names_is_empty(rig: Rig, *, delta: bool) -> None:
    async with proxy_stream(rig, delta=delta) as stream:
        await stream.ask(ROUTE, ["4711"])
        answer = await stream.next()
        (table,) = answer.resources.values()
        assert (table.name, table.virtual_hosts) == ("4711", [])
        assert table.validate_clusters is False


@pytest.mark.parametrize("delta", [False, True])
async def test_case_16_a_routes_leave_a_service_before_its_cluster_goes(rig: Rig, *, delta: bool) -> None:
    async with proxy_stream(rig, identity(capture=Capture.REDIRECT), delta=delta) as proxy:
        await proxy.start()
        heard = await proxy.reaction((rig.root / "api.yaml").unlink, "Service default/api")
        types = [each.type for each in heard]
        assert types.index("rds") < types.index("cds")
        (clusters,) = [each for each in heard if each.type == "cds"]
        assert API_CLUSTER in clusters.removed if delta else API_CLUSTER not in clusters.resources


async def test_case_16_b_a_refused_route_keeps_the_cluster(rig: Rig, proxy: ProxyStream) -> None:
    proxy.refusal = lambda heard: "no" if heard.type == "rds" else ""
    (rig.root / "api.yaml").unlink()
    await rig.logged("proxy.nack", type="rds")
    proxy.refusal = lambda _: ""
    # Whatever comes after it: the cluster stays.
    rig.write("rule.yaml", timeout_rule(3))

    async def warmed() -> None:
        if ("eds", [WEB]) not in briefs(proxy.heard):
            raise NotYetError(str(briefs(proxy.heard)))

    await wait_until(warmed)
    assert not [each for each in proxy.heard if API_CLUSTER in each.removed]


async def test_case_24_a_of_fifty_events_none_is_lost(rig: Rig, proxy: ProxyStream) -> None:
    """Istio waits until nothing has come for 100 ms. Here the first goes at once, others with what is under way."""
    loaded = len(list(rig.plane.ledger))
    names = [f"extra-{number}" for number in range(50)]
    for name in names:
        rig.write(f"{name}.yaml", service_named(name))
        # The events themselves are 20 ms apart.
        await asyncio.sleep(0.02)
    clusters = {f"outbound|8000||{name}.default.svc.cluster.local" for name in names}

    async def arrived() -> None:
        missing = clusters - {name for each in proxy.heard if each.type == "cds" for name in each.resources}
        if missing:
            raise NotYetError(f"{len(missing)} clusters have not come")

    await wait_until(arrived)
    await proxy.settled()
    pushes = list(rig.plane.ledger)[:-loaded]
    assert sum(push.object_count for push in pushes) == 50
    assert 1 <= len(pushes) <= 50
    ends = [push.received + push.published for push in pushes if push.published is not None]
    assert ends == sorted(ends, reverse=True), "one push ends before the next one does"


async def test_case_24_b_events_without_pause_hold_nothing_back(rig: Rig, proxy: ProxyStream) -> None:
    """Istio pushes after ten seconds at the latest. Here events that do not end delay nothing that came before."""
    written = 0
    rig.write("endpoints.yaml", slice_of("web", "10.1.0.9"))
    async with asyncio.timeout(30):
        while not [each for each in proxy.heard if each.type == "eds" and WEB in each.resources]:
            rig.write(f"extra-{written}.yaml", service_named(f"extra-{written}"))
            written += 1
            await asyncio.sleep(0)
    assert web_addresses(next(each for each in proxy.heard if each.type == "eds" and WEB in each.resources)) == [
        "10.1.0.9"
    ]
    rig.write("rule.yaml", timeout_rule(7))
    last = f"outbound|8000||extra-{written - 1}.default.svc.cluster.local"

    async def complete() -> None:
        held = {name: body for each in proxy.heard if each.type == "cds" for name, body in each.resources.items()}
        if (written and last not in held) or WEB not in held or held[WEB].connect_timeout.total_seconds() != 7:
            raise NotYetError(f"{len(held)} clusters")

    await wait_until(complete)


async def test_case_25_what_comes_while_a_push_is_built_is_in_the_next_one(rig: Rig, proxy: ProxyStream) -> None:
    many = "---\n".join(service_named(f"extra-{number}") for number in range(300))
    rig.write("many.yaml", many)

    async def building() -> None:
        if next((push.object_count for push in rig.plane.ledger), 0) < 300:
            raise NotYetError("the push has not begun")

    await wait_until(building, interval=0.001)
    rig.write("rule.yaml", timeout_rule(3))

    async def in_force() -> None:
        # With the three objects of the first load. The rule may have come in time for the push of the others.
        if sum(push.object_count for push in rig.plane.ledger) != 3 + 301:
            raise NotYetError("not every object is pushed")

    await wait_until(in_force)
    heard = await proxy.settled()
    clusters = {name: body for each in heard if each.type == "cds" for name, body in each.resources.items()}
    assert len(clusters) == 301
    assert clusters[WEB].connect_timeout.total_seconds() == 3


async def test_case_26_an_endpoint_is_a_push_of_its_own(rig: Rig, proxy: ProxyStream) -> None:
    await proxy.reaction(
        lambda: rig.write("endpoints.yaml", slice_of("web", "10.1.0.3")), "EndpointSlice default/web-1"
    )
    push = next(iter(rig.plane.ledger))
    assert push.objects == ("EndpointSlice default/web-1",)
    assert push.resources == {"eds": 1}


async def test_case_32_a_a_policy_of_another_namespace_sends_nothing(rig: Rig, proxy: ProxyStream) -> None:
    policy = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: elsewhere}
spec: {action: DENY, rules: [{}]}
"""
    assert await proxy.reaction(lambda: rig.write("p.yaml", policy), "AuthorizationPolicy elsewhere/deny") == []


async def test_case_32_b_a_policy_of_the_mesh_sends_listeners_alone(rig: Rig, proxy: ProxyStream) -> None:
    policy = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: istio-system}
spec: {action: DENY, rules: [{to: [{operation: {paths: ["/admin"]}}]}]}
"""
    heard = await proxy.reaction(lambda: rig.write("p.yaml", policy), "AuthorizationPolicy istio-system/deny")
    assert briefs(heard) == [("lds", ["virtualInbound"])]


async def test_case_33_a_a_rule_for_a_host_that_is_not_imported_sends_nothing(rig: Rig, proxy: ProxyStream) -> None:
    await proxy.reaction(
        lambda: rig.write(
            "sidecar.yaml", custom("Sidecar", "only-web", "{egress: [{hosts: ['./web.default.svc.cluster.local']}]}")
        ),
        "Sidecar default/only-web",
    )
    rule = custom("VirtualService", "api", "{hosts: [api], http: [{timeout: 3s, route: [{destination: {host: api}}]}]}")
    assert await proxy.reaction(lambda: rig.write("r.yaml", rule), "VirtualService default/api") == []


async def test_case_33_b_a_gateway_is_nothing_to_a_sidecar(rig: Rig, proxy: ProxyStream) -> None:
    spec = (
        "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}"
    )
    assert await proxy.reaction(lambda: rig.write("g.yaml", custom("Gateway", "g", spec)), "Gateway default/g") == []


async def test_case_33_c_a_sidecar_is_nothing_to_a_gateway(rig: Rig, gateway: ProxyStream) -> None:
    sidecar = custom("Sidecar", "default", "{egress: [{hosts: ['./web.default.svc.cluster.local']}]}")
    assert await gateway.reaction(lambda: rig.write("s.yaml", sidecar), "Sidecar default/default") == []


async def test_case_33_d_a_label_that_means_nothing_sends_nothing(rig: Rig, proxy: ProxyStream) -> None:
    await proxy.reaction(lambda: rig.write("rule.yaml", timeout_rule(3)), "DestinationRule default/web")
    labelled = timeout_rule(3).replace("labels: {}", "labels: {team: blue}")
    assert await proxy.reaction(lambda: rig.write("rule.yaml", labelled), "DestinationRule default/web") == []


async def test_case_34_what_is_no_longer_exported_is_removed(rig: Rig, proxy: ProxyStream) -> None:
    spec = "{hosts: [ext.example.com], ports: [{number: 80, name: http}], resolution: DNS, exportTo: ['%s']}"
    cluster = "outbound|80||ext.example.com"
    key = "ServiceEntry elsewhere/ext"
    shown = await proxy.reaction(
        lambda: rig.write("e.yaml", custom("ServiceEntry", "ext", spec % "*", "elsewhere")), key
    )
    assert cluster in [name for each in shown if each.type == "cds" for name in each.resources]
    withdrawn = await proxy.reaction(
        lambda: rig.write("e.yaml", custom("ServiceEntry", "ext", spec % ".", "elsewhere")), key
    )
    assert [each.removed for each in withdrawn if each.type == "cds"] == [(cluster,)]


async def test_case_37_a_a_proxy_with_two_families_is_found_by_its_first_address(rig: Rig) -> None:
    entry = custom("WorkloadEntry", "vm", "{address: 10.0.0.1, labels: {app: web}}")
    outside = custom(
        "ServiceEntry",
        "vm",
        "{hosts: [vm.example.com], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: STATIC, "
        "location: MESH_INTERNAL, workloadSelector: {labels: {app: web}}}",
    )
    await changed(rig, lambda: rig.write("vm.yaml", f"{entry}---\n{outside}"), "WorkloadEntry default/vm")
    who = identity("vm", capture=Capture.REDIRECT, addresses=("10.0.0.1", "fd00::1"))
    async with proxy_stream(rig, who) as stream:
        await stream.ask(CLUSTER)
        clusters = await stream.next()
        await stream.ask(LISTENER)
        listeners = await stream.next()
        assert "inbound|9000||" in clusters.resources
        inbound = listeners.resources["virtualInbound"]
        (extra,) = inbound.additional_addresses
        assert inbound.address.socket_address.address == "0.0.0.0"  # noqa: S104 - what is expected
        assert extra.address.socket_address.address == "::"


async def test_case_37_b_a_proxy_that_is_earlier_than_its_pod_serves_already(rig: Rig) -> None:
    named = service_named("early-1").replace("targetPort: 80", "targetPort: main").replace("app: api", "app: early")
    await changed(rig, lambda: rig.write("early.yaml", named), "Service default/early-1")
    node = identity("early-1", capture=Capture.REDIRECT, labels={"app": "early"}).node()
    node["metadata"]["POD_PORTS"] = '[{"name":"main","containerPort":8080,"protocol":"TCP"}]'
    async with proxy_stream(rig, node=node) as stream:
        await stream.ask(CLUSTER)
        clusters = await stream.next()
        await stream.ask(LISTENER)
        listeners = await stream.next()
        assert "inbound|8080||" in clusters.resources
        chains = listeners.resources["virtualInbound"].filter_chains
        assert 8080 in [chain.filter_chain_match.destination_port for chain in chains if chain.filter_chain_match]


async def test_case_39_two_entries_of_one_host_are_one(rig: Rig, proxy: ProxyStream) -> None:
    spec = "{hosts: [twice.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}"
    both = "---\n".join(custom("ServiceEntry", name, spec) for name in ("one", "other"))
    # The stream itself checks that no name comes twice in a response.
    heard = await proxy.reaction(
        lambda: rig.write("both.yaml", both), "ServiceEntry default/one", "ServiceEntry default/other"
    )
    assert [name for each in heard if each.type == "cds" for name in each.resources] == [
        "outbound|80||twice.example.com"
    ]


async def test_case_43_grpc_gets_all_the_listeners_that_it_asks_for(rig: Rig) -> None:
    node = identity().node()
    node["metadata"]["GENERATOR"] = "grpc"
    web, api = (f"{name}.default.svc.cluster.local:8000" for name in ("web", "api"))
    async with proxy_stream(rig, delta=False, node=node) as stream:
        await stream.ask(LISTENER, [web])
        first = await stream.next()
        assert first.brief == ("lds", [web])
        await stream.ask(LISTENER, [web, api], nonce=first.nonce)
        second = await stream.next()
        assert second.brief == ("lds", [api, web])
