"""Nothing more than needed is sent: for each kind of change, exactly which proxies get which names of which types."""

from collections.abc import Mapping

import msgspec
import pytest

from tests.unit.translator.mesh_kit import (
    GATEWAY,
    SIDECAR,
    authorization,
    endpoint,
    endpoint_slice,
    entry,
    peers,
    pod,
    rule,
    service,
    writes,
)
from translator.database import DnsName
from translator.model.proxy import Proxy
from translator.objects.mesh_networks import MeshNetworks
from translator.objects.registry import PRIMARY
from translator.settings import Settings
from translator.store import Write
from translator.translator import Binding, Translator
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

WEB = "web.default.svc.cluster.local"
Names = dict[str, set[str]]

PROXIES = {
    "client": SIDECAR,
    # The proxy of a pod of web, and one to which a Sidecar shows nothing but its own namespace.
    "pod": msgspec.structs.replace(SIDECAR, name="web-1", addresses=("10.1.0.1",)),
    "stranger": msgspec.structs.replace(SIDECAR, namespace="far", dns_domain="far.svc.cluster.local"),
    "gateway": GATEWAY,
}
TYPES = {"CDS": CLUSTER, "EDS": ENDPOINT, "LDS": LISTENER, "RDS": ROUTE}


def labelled(name: str, ip: str, version: str, **spec: str) -> str:
    return pod(name, ip, labels={"app": "web", "version": version}, **spec)


def listed(host: str, resolution: str, address: str) -> str:
    """A ServiceEntry with one endpoint."""
    ports = "[{number: 80, name: http, protocol: HTTP}]"
    spec = f"{{hosts: [{host}], ports: {ports}, resolution: {resolution}, endpoints: [{{address: {address}}}]}}"
    return entry(spec, name=host)


def workload_entry(app: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: machine, namespace: default}}
spec: {{address: 9.9.9.9, labels: {{app: {app}}}}}
"""


NODE = """
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: %s}}
"""
VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec: {hosts: [web], http: [{timeout: 3s, route: [{destination: {host: web}}]}]}
"""
ONLY_WEB = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{hosts: [./web.default.svc.cluster.local]}]}
"""
FOR_V2 = ONLY_WEB.replace("spec: {", "spec: {workloadSelector: {labels: {version: v2}}, ").replace(
    "default, n", "v2, n"
)
SUBSETS = "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"
SLICE = endpoint_slice("web", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2", "web-2"))
EMPTY = endpoint_slice("web")
BASE = (
    service(),
    labelled("web-1", "10.1.0.1", "v1"),
    labelled("web-2", "10.1.0.2", "v2"),
    SLICE,
    rule(SUBSETS),
    service("other"),
    endpoint_slice("other", endpoint("10.2.0.1"), service="other"),
    service("db", ports="{name: tcp, port: 5432}", clusterIP="None"),
    endpoint_slice("db", endpoint("10.3.0.1"), service="db", port="tcp"),
    service("peers", ports="{name: http, port: 81}", clusterIP="None"),
    endpoint_slice("peers", endpoint("10.4.0.1"), service="peers"),
    listed("dns.com", "DNS", "a.dns.com"),
    listed("static.com", "STATIC", "1.1.1.1"),
    """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: far}
spec: {egress: [{hosts: [./*]}]}
""",
    service("own", namespace="far"),
)


class Fleet:
    """Connected proxies, and what each of them has."""

    def __init__(self, *texts: str, proxies: Mapping[str, Proxy] = PROXIES) -> None:
        self.translator = Translator(Settings())
        self.translator.apply(write for text in texts for write in writes(text))
        self._bindings = {name: self.translator.bind(proxy) for name, proxy in proxies.items()}
        self._seen: dict[str, dict[str, dict[str, str]]] = {}
        self.changes()

    def add(self, *texts: str, cluster: str = PRIMARY) -> dict[str, Names]:
        """Write objects of a cluster; what is sent then."""
        self.translator.apply([write for text in texts for write in writes(text, cluster)])
        return self.changes()

    def remove(self, *texts: str, cluster: str = PRIMARY) -> dict[str, Names]:
        """Delete objects; what is sent then."""
        self.translator.apply([Write(write.key, None) for text in texts for write in writes(text, cluster)])
        return self.changes()

    def changes(self) -> dict[str, Names]:
        """By proxy and type the names that are new, different or gone since the last time."""
        for binding in list(self.translator.stale_bindings):
            binding.rebind()
        for view in list(self.translator.stale_views):
            for _ in view.refresh():
                pass
            view.commit()
        found = {name: self._changes(name, binding) for name, binding in self._bindings.items()}
        return {name: types for name, types in found.items() if types}

    def _changes(self, name: str, binding: Binding) -> Names:
        versions = {
            kind: {resource.name: resource.version for resource in binding.view.resources(url).values()}
            for kind, url in TYPES.items()
        }
        before = self._seen.get(name, {kind: {} for kind in TYPES})
        self._seen[name] = versions
        differing = {
            kind: {each for each in {*old, *versions[kind]} if old.get(each) != versions[kind].get(each)}
            for kind, old in before.items()
        }
        return {kind: names for kind, names in differing.items() if names}


def web(subsets: tuple[str, ...] = ("", "v1", "v2"), port: int = 80) -> set[str]:
    """The names of the clusters of web, and of their assignments."""
    return {f"outbound|{port}|{subset}|{WEB}" for subset in subsets}


def everyone(**types: set[str]) -> dict[str, Names]:
    """What all get who see web."""
    return {name: dict(types) for name in ("client", "pod", "gateway")}


def differ(common: dict[str, Names], **own: Names) -> dict[str, Names]:
    """What some proxies get beside, or instead of, what all get."""
    merged = {name: {**common.get(name, {}), **own.get(name, {})} for name in PROXIES}
    present = {name: {kind: names for kind, names in types.items() if names} for name, types in merged.items()}
    return {name: types for name, types in present.items() if types}


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
OTHER = "outbound|80||other.default.svc.cluster.local"
DB, PEERS = "outbound|5432||db.default.svc.cluster.local", "outbound|81||peers.default.svc.cluster.local"
OWN = "outbound|80||own.far.svc.cluster.local"

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


IDENTIFIED = {name: msgspec.structs.replace(proxy, has_identity=True) for name, proxy in PROXIES.items()}
SECURED = {"app": "web", "version": "v1", "security.istio.io/tlsMode": "istio"}


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


def policy(mode: str, **more: str) -> str:
    return peers(f"{{mtls: {{mode: {mode}}}}}", **more)


INBOUND: Names = {"LDS": {"virtualInbound"}}
PLAIN: Names = {"CDS": {*web(), OTHER}, "EDS": web(("", "v1"))}
# To gateways headless services are like all others; sidecars dial their pods.
AT_GATEWAY: Names = {"CDS": {*web(), OTHER, DB, PEERS}, "EDS": web(("", "v1"))}
POLICIES: dict[str, tuple[str, dict[str, Names]]] = {
    "a namespace goes without": (
        policy("DISABLE"),
        {"client": {**PLAIN, **INBOUND}, "pod": {**PLAIN, **INBOUND}, "gateway": AT_GATEWAY},
    ),
    "a namespace insists": (policy("STRICT"), {"client": INBOUND, "pod": INBOUND}),
    "another namespace goes without": (
        policy("DISABLE", namespace="far"),
        differ(everyone(CDS={OWN}), stranger={"CDS": {OWN}, **INBOUND}),
    ),
    "the mesh goes without": (
        policy("DISABLE", namespace="istio-system"),
        {
            "client": {**PLAIN, "CDS": {*PLAIN["CDS"], OWN}, **INBOUND},
            "pod": {**PLAIN, "CDS": {*PLAIN["CDS"], OWN}, **INBOUND},
            "gateway": {**AT_GATEWAY, "CDS": {*AT_GATEWAY["CDS"], OWN}},
            "stranger": {"CDS": {OWN}, **INBOUND},
        },
    ),
    "a workload goes without": (
        peers("{selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}"),
        differ(everyone(EDS=web(("", "v1"))), pod=INBOUND),
    ),
}


@pytest.mark.parametrize("change", POLICIES)
def test_whom_a_peer_authentication_concerns(change: str) -> None:
    written, expected = POLICIES[change]
    fleet = Fleet(*BASE, pod("web-1", "10.1.0.1", labels=SECURED), proxies=IDENTIFIED)
    assert fleet.add(written) == expected
    assert Fleet(*BASE).add(written) == {}, "without certificates nobody speaks mesh TLS"


FOR_WEB = "selector: {matchLabels: {app: web}}"
AUTHORIZATIONS: dict[str, tuple[str, dict[str, Names]]] = {
    "of the namespace": (authorization("{}"), {"client": INBOUND, "pod": INBOUND}),
    "of the mesh": (
        authorization("{}", namespace="istio-system"),
        dict.fromkeys(("client", "pod", "stranger"), INBOUND),
    ),
    "of the mesh for some workloads": (
        authorization(f"{{{FOR_WEB}}}", namespace="istio-system"),
        {"pod": INBOUND},
    ),
    "of another namespace": (authorization("{}", namespace="far"), {"stranger": INBOUND}),
    "of a namespace without proxies": (authorization("{}", namespace="elsewhere"), {}),
    "for a workload": (authorization(f"{{{FOR_WEB}}}"), {"pod": INBOUND}),
    "for nobody": (authorization("{selector: {matchLabels: {app: nobody}}}"), {}),
    "whose decision is another's": (authorization("{action: CUSTOM, provider: {name: a}, rules: [{}]}"), {}),
}


@pytest.mark.parametrize("change", AUTHORIZATIONS)
def test_whom_an_authorization_policy_concerns(change: str) -> None:
    written, expected = AUTHORIZATIONS[change]
    fleet = Fleet(*BASE)
    assert fleet.add(written) == expected
    again = written.replace("name: policy\n", "name: policy\n  annotations: {x: y}\n", 1)
    assert fleet.add(again) == {}, "what is not read is no change"
    assert fleet.remove(written) == expected
