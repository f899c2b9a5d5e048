"""Connected proxies in a mesh with one of each kind of service, and who of them is sent what."""

from collections.abc import Mapping

import msgspec

from tests.unit.translator.mesh_kit import (
    GATEWAY,
    SIDECAR,
    endpoint,
    endpoint_slice,
    entry,
    pod,
    rule,
    service,
    writes,
)
from translator.model.proxy import Proxy
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
OTHER = "outbound|80||other.default.svc.cluster.local"
DB, PEERS = "outbound|5432||db.default.svc.cluster.local", "outbound|81||peers.default.svc.cluster.local"
OWN = "outbound|80||own.far.svc.cluster.local"
IDENTIFIED = {name: msgspec.structs.replace(proxy, has_identity=True) for name, proxy in PROXIES.items()}
SECURED = {"app": "web", "version": "v1", "security.istio.io/tlsMode": "istio"}


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
