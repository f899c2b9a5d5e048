"""Nothing more than needed is sent: for each kind of change, exactly which proxies get which names of which types."""

import msgspec
import pytest

from tests.unit.translator.clusters.push_kit import (
    BASE,
    DB,
    EMPTY,
    FOR_V2,
    IDENTIFIED,
    NODE,
    ONLY_WEB,
    OTHER,
    OWN,
    PEERS,
    SECURED,
    SLICE,
    SUBSETS,
    VIRTUAL_SERVICE,
    Fleet,
    Names,
    differ,
    everyone,
    labelled,
    listed,
    web,
    workload_entry,
)
from tests.unit.translator.mesh_kit import (
    endpoint,
    endpoint_slice,
    pod,
    rule,
    service,
)
from translator.database import DnsName
from translator.objects.mesh_networks import MeshNetworks
from translator.settings import Settings

THREE = endpoint_slice(
    "web", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2", "web-2"), endpoint("10.1.0.3", "web-3")
)
UNREADY = endpoint_slice(
    "web", endpoint("10.1.0.1", "web-1", ready=False, terminating=False), endpoint("10.1.0.2", "web-2")
)
V1 = labelled("web-1", "10.1.0.1", "v1")
WITHHELD = rule(SUBSETS + "\ntrafficPolicy: {outlierDetection: {minHealthPercent: 10}}")
NEAR = rule(SUBSETS + "\ntrafficPolicy: {outlierDetection: {}}")
TWO_PORTS = "{name: http, port: 80}, {name: grpc, port: 90}"
STICKY = "\ntrafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}"
IDLE = ", trafficPolicy: {connectionPool: {tcp: {idleTimeout: 3s}}}"
OTHER_KINDS = tuple(
    f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: any, namespace: default}}\n"
    for group, kind in (
        ("security.istio.io/v1", "RequestAuthentication"),
        ("telemetry.istio.io/v1", "Telemetry"),
        ("extensions.istio.io/v1alpha1", "WasmPlugin"),
        ("networking.istio.io/v1beta1", "ProxyConfig"),
        ("v1", "Secret"),
    )
)
EAST_WEB = endpoint("10.8.0.1", "web-1")

BESIDE_WEB = {
    "CDS": {OTHER, DB, PEERS, OWN, "outbound|80||dns.com", "outbound|80||static.com"},
    "EDS": {OTHER, OWN, "outbound|80||static.com"},
    "LDS": {"0.0.0.0_81", "10.3.0.1_5432"},
    "RDS": {"80", "81"},
}

# What is there beside the base, what is written then, and what is sent.
CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...], dict[str, Names]]] = {
    "scale up": ((labelled("web-3", "10.1.0.3", "v1"),), (THREE,), everyone(EDS=web(("", "v1")))),
    "scale down": ((labelled("web-3", "10.1.0.3", "v1"), THREE), (SLICE,), everyone(EDS=web(("", "v1")))),
    "a pod becomes unready": ((), (UNREADY,), everyone(EDS=web(("", "v1")))),
    "a pod becomes ready": ((UNREADY,), (SLICE,), everyone(EDS=web(("", "v1")))),
    "a pod becomes ready while unready ones are withheld": (
        (WITHHELD, UNREADY),
        (SLICE,),
        everyone(EDS=web(("", "v1"))),
    ),
    "a new pod that is not ready, while such are withheld": (
        (WITHHELD, labelled("web-3", "10.1.0.3", "v1")),
        (THREE.replace("10.1.0.3\n  conditions: {}", "10.1.0.3\n  conditions: {ready: false, terminating: false}"),),
        {},
    ),
    "a new pod that is not ready": (
        (labelled("web-3", "10.1.0.3", "v1"),),
        (THREE.replace("10.1.0.3\n  conditions: {}", "10.1.0.3\n  conditions: {ready: false, terminating: false}"),),
        everyone(EDS=web(("", "v1"))),
    ),
    "a pod that ends": (
        (),
        (SLICE.replace("10.1.0.1\n  conditions: {}", "10.1.0.1\n  conditions: {ready: false, terminating: true}"),),
        everyone(EDS=web(("", "v1"))),
    ),
    "to nothing": ((), (EMPTY,), everyone(EDS=web())),
    "and back": ((EMPTY,), (SLICE,), everyone(EDS=web())),
    "the same again": (
        (),
        (
            SLICE.replace("name: web\n", "name: web\n  resourceVersion: '7'\n", 1),
            service().replace("name: web\n", "name: web\n  resourceVersion: '7'\n  annotations: {x: y}\n", 1),
            V1.replace("name: web-1\n", "name: web-1\n  annotations: {x: y}\n", 1),
        ),
        {},
    ),
    "first endpoints": (
        (service("fresh", ports="{name: http, port: 80}"),),
        (endpoint_slice("fresh", endpoint("10.5.0.1"), service="fresh"),),
        everyone(EDS={"outbound|80||fresh.default.svc.cluster.local"}),
    ),
    "a pod moves to another subset": (
        (),
        (labelled("web-1", "10.1.0.1", "v2"),),
        everyone(EDS=web(("v1", "v2"))),
    ),
    "a pod comes to be selected by a Sidecar": (
        (FOR_V2,),
        (labelled("web-1", "10.1.0.1", "v2"),),
        differ(
            everyone(EDS=web(("v1", "v2"))),
            pod={**BESIDE_WEB, "EDS": BESIDE_WEB["EDS"] | web(("v1", "v2"))},
        ),
    ),
    "another pod gets the address": (
        (),
        (
            pod("other-1", "10.1.0.1", labels={"app": "other"}),
            endpoint_slice("other", endpoint("10.2.0.1"), endpoint("10.1.0.1", "other-1"), service="other"),
            endpoint_slice("web", endpoint("10.1.0.2", "web-2")),
        ),
        everyone(EDS={*web(("", "v1")), OTHER}),
    ),
    "a pod of a headless service over TCP": (
        (),
        (endpoint_slice("db", endpoint("10.3.0.1"), endpoint("10.3.0.2"), service="db", port="tcp"),),
        {"client": {"LDS": {"10.3.0.2_5432"}}, "pod": {"LDS": {"10.3.0.2_5432"}}, "gateway": {"EDS": {DB}}},
    ),
    "a pod of a headless service over HTTP": (
        (),
        (endpoint_slice("peers", endpoint("10.4.0.1"), endpoint("10.4.0.2"), service="peers"),),
        {"gateway": {"EDS": {PEERS}}},
    ),
    "a node moves to another zone": (
        (NODE % "a", labelled("web-1", "10.1.0.1", "v1", nodeName="n1")),
        (NODE % "b",),
        everyone(EDS=web(("", "v1"))),
    ),
    "another port": (
        (),
        (service(ports=TWO_PORTS),),
        differ(
            everyone(CDS=web(port=90), EDS=web(port=90)),
            client={"LDS": {"0.0.0.0_90"}, "RDS": {"90"}},
            pod={"CDS": {*web(port=90), "inbound|90||"}, "LDS": {"0.0.0.0_90", "virtualInbound"}, "RDS": {"90"}},
        ),
    ),
    "another name of a port, and of that of its pods": (
        (),
        (
            service(ports="{name: http-web, port: 80}"),
            endpoint_slice("web", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2", "web-2"), port="http-web"),
        ),
        {},
    ),
    "another name of a port alone": ((), (service(ports="{name: http-web, port: 80}"),), everyone(EDS=web())),
    "another label of a service": (
        (),
        (service().replace("name: web\n", "name: web\n  labels: {team: a}\n", 1),),
        {},
    ),
    "another target port": (
        (),
        (service(ports="{name: http, port: 80, targetPort: 8081}"),),
        {"pod": {"CDS": {"inbound|80||", "inbound|8081||"}, "LDS": {"virtualInbound"}}},
    ),
    "another virtual address": (
        (),
        (service(clusterIP="10.0.0.9"),),
        {"client": {"RDS": {"80"}}, "pod": {"RDS": {"80"}}},
    ),
    "a rule for connections": (
        (),
        (rule(SUBSETS + "\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}"),),
        differ(everyone(CDS=web()), pod={"CDS": {*web(), "inbound|80||"}}),
    ),
    "a rule for one subset": (
        (),
        (rule(SUBSETS.replace("{version: v2}", "{version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}")),),
        everyone(CDS=web(("v2",))),
    ),
    "a rule for failover, without localities": ((), (NEAR,), everyone(CDS=web())),
    "other labels of a subset": (
        (),
        (rule(SUBSETS.replace("{version: v2}", "{version: v1}")),),
        everyone(EDS=web(("v2",))),
    ),
    "another port of the pods": ((), (SLICE.replace("port: 8080", "port: 8081"),), everyone(EDS=web())),
    "another weight": (
        (),
        (listed("static.com", "STATIC", "1.1.1.1, weight: 3"),),
        everyone(EDS={"outbound|80||static.com"}),
    ),
    "a rule for sticky requests": (
        (),
        (rule(SUBSETS + STICKY),),
        differ(everyone(CDS=web()), client={"RDS": {"80"}}, pod={"RDS": {"80"}}),
    ),
    "a rule for connections that are idle": (
        (),
        (rule("{host: db" + IDLE + "}", name="db"),),
        differ(everyone(CDS={DB}), client={"LDS": {"10.3.0.1_5432"}}, pod={"LDS": {"10.3.0.1_5432"}}),
    ),
    "policies and keys that are no matter of clusters": ((), OTHER_KINDS, {}),
    "an endpoint that is resolved": (
        (),
        (listed("dns.com", "DNS", "b.dns.com"),),
        everyone(CDS={"outbound|80||dns.com"}),
    ),
    "an endpoint that is listed": (
        (),
        (listed("static.com", "STATIC", "1.1.1.2"),),
        everyone(EDS={"outbound|80||static.com"}),
    ),
    "a workload that nothing selects": ((), (workload_entry("nobody"),), {}),
    "a workload that a service selects": ((), (workload_entry("other"),), everyone(EDS={OTHER})),
    "a routing rule": ((), (VIRTUAL_SERVICE,), {"client": {"RDS": {"80"}}, "pod": {"RDS": {"80"}}}),
    "a Sidecar": ((), (ONLY_WEB,), {"client": BESIDE_WEB, "pod": BESIDE_WEB}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_gets_what(change: str) -> None:
    before, written, expected = CHANGES[change]
    fleet = Fleet(*BASE, *before)
    assert fleet.add(*written) == expected


def test_case_12_to_nothing_and_back_is_two_pushes_of_endpoints_alone() -> None:
    fleet = Fleet(*BASE)
    assert fleet.add(EMPTY) == everyone(EDS=web())
    assert fleet.add(SLICE) == everyone(EDS=web())
    assert fleet.changes() == {}


def test_case_45_a_change_of_what_is_not_imported_does_not_reach_a_proxy() -> None:
    for _, written, _ in CHANGES.values():
        assert "stranger" not in Fleet(*BASE).add(*written)
    own = endpoint_slice("own", endpoint("10.7.0.1"), service="own", namespace="far")
    assert Fleet(*BASE).add(own)["stranger"] == {"EDS": {OWN}}


def test_case_48_another_version_of_the_same_service_is_no_change() -> None:
    text = service().replace("name: web\n", "name: web\n  resourceVersion: '99'\n", 1)
    assert Fleet(*BASE).add(text) == {}


def test_a_service_that_goes_takes_its_clusters_endpoints_listeners_and_routes_along() -> None:
    gone = differ(
        everyone(CDS=web(), EDS=web()),
        client={"RDS": {"80"}},
        pod={"CDS": {*web(), "inbound|80||"}, "LDS": {"virtualInbound"}, "RDS": {"80"}},
    )
    fleet = Fleet(*BASE)
    assert fleet.remove(service()) == gone
    assert fleet.add(service()) == gone


def test_a_rule_that_goes_takes_its_subsets_along() -> None:
    subsets = web(("v1", "v2"))
    assert Fleet(*BASE).remove(rule(SUBSETS)) == differ(
        everyone(CDS=web(), EDS=subsets), pod={"CDS": {*web(), "inbound|80||"}}
    )


def test_a_service_that_is_hidden_stays_with_its_own_pods() -> None:
    hidden = service().replace("name: web\n", "name: web\n  annotations: {networking.istio.io/exportTo: '~'}\n", 1)
    fleet = Fleet(*BASE)
    assert fleet.add(hidden) == differ(everyone(CDS=web(), EDS=web()), client={"RDS": {"80"}}, pod={"RDS": {"80"}})
    assert fleet.add(EMPTY) == {}


def test_case_46_a_cluster_that_comes_or_goes_is_a_push_of_endpoints_alone() -> None:
    east = (service(clusterIP="10.0.9.1"), labelled("web-1", "10.8.0.1", "v1"), endpoint_slice("web", EAST_WEB))
    fleet = Fleet(*BASE)
    assert fleet.add(*east, cluster="east") == everyone(EDS=web(("", "v1")))
    assert fleet.remove(*east, cluster="east") == everyone(EDS=web(("", "v1")))


def test_gateways_of_a_network_that_come_or_go_are_a_push_of_the_endpoints_behind_them() -> None:
    far = {"app": "web", "topology.istio.io/network": "n2", "security.istio.io/tlsMode": "istio"}
    fleet = Fleet(*BASE, pod("web-2", "10.1.0.2", labels=far))
    # Without a certificate of the mesh nobody can use them: the endpoints behind them are gone, and come back.
    for declared in ({"n2": {"gateways": [{"address": "9.9.9.9", "port": 15443}]}}, {}):
        networks = msgspec.convert({"networks": declared}, MeshNetworks)
        fleet.translator.db.replace_settings(Settings(networks=networks))
        assert fleet.changes() == everyone(EDS=web(("",)))


def test_a_name_of_a_gateway_that_comes_to_have_an_address_is_a_push_of_the_endpoints_behind_it() -> None:
    far = {"app": "web", "topology.istio.io/network": "n2", "security.istio.io/tlsMode": "istio"}
    fleet = Fleet(*BASE, pod("web-2", "10.1.0.2", labels=far), proxies=IDENTIFIED)
    networks = msgspec.convert({"networks": {"n2": {"gateways": [{"address": "a.test", "port": 1}]}}}, MeshNetworks)
    fleet.translator.db.replace_settings(Settings(networks=networks))
    assert fleet.changes() == everyone(EDS=web(("",)))
    for addresses in (("9.9.9.9",), ("9.9.9.8",), ()):
        fleet.translator.db.replace_addresses(DnsName("a.test"), addresses)
        assert fleet.changes() == everyone(EDS=web(("",)))


def test_a_pod_of_another_account_is_a_push_of_clusters_too_and_another_of_the_same_is_not() -> None:
    fleet = Fleet(
        *BASE,
        pod("web-1", "10.1.0.1", labels=SECURED),
        pod("web-3", "10.1.0.3", labels=SECURED),
        proxies=IDENTIFIED,
    )
    assert fleet.add(THREE) == everyone(EDS=web(("", "v1")))
    joined = endpoint_slice("web", *(endpoint(f"10.1.0.{number}", f"web-{number}") for number in (1, 2, 3, 4)))
    assert fleet.add(pod("web-4", "10.1.0.4", labels=SECURED, serviceAccountName="bob"), joined) == everyone(
        CDS=web(), EDS=web(("", "v1"))
    )
