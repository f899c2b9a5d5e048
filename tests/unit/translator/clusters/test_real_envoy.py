"""A real Envoy accepts every form of cluster, and warns about none."""

import ssl
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.config_source_pb2 import ApiConfigSource, ApiVersion
from envoy.config.core.v3.grpc_service_pb2 import GrpcService
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.json_format import MessageToJson

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, pod, rule, service
from translator.clusters.http_protocol import EXTENSION
from translator.model.proxy import Capture
from translator.objects.mesh_config import MeshConfig, MeshOutboundTrafficPolicy
from translator.objects.sidecar import OutboundTrafficMode
from translator.pb import pack

PORTS = """{name: http, port: 80}, {name: grpc, port: 81}, {name: http2, port: 82}, {name: tcp, port: 83},
    {name: auto, port: 84}, {name: tls, port: 85}"""

RULES = {
    "pool": """
trafficPolicy:
  connectionPool:
    tcp: {maxConnections: 5, connectTimeout: 2s, maxConnectionDuration: 1h, idleTimeout: 5m,
          tcpKeepalive: {probes: 3, time: 60s, interval: 5s}}
    http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRequestsPerConnection: 3, maxRetries: 4,
           idleTimeout: 7s, maxConcurrentStreams: 100, http2KeepAlive: {interval: 3s, timeout: 1s}}
  retryBudget: {percent: 10, minRetryConcurrency: 2}
  proxyProtocol: {version: V2}
""",
    "outlier": """
trafficPolicy:
  outlierDetection: {consecutive5xxErrors: 7, consecutiveGatewayErrors: 0, interval: 1s, baseEjectionTime: 3m,
                     maxEjectionPercent: 50, minHealthPercent: 30, splitExternalLocalOriginErrors: true,
                     consecutiveLocalOriginFailures: 2, outlierDetectionHttpErrorCodes: [429, 503]}
  loadBalancer: {localityLbSetting: {failover: [{from: r1, to: r2}]}}
""",
    "warmup": "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 60s}}}",
    "least": "trafficPolicy: {loadBalancer: {warmupDurationSecs: 60s}}",
    "random": """
trafficPolicy: {loadBalancer: {simple: RANDOM, localityLbSetting: {distribute: [{from: '*', to: {'*': 100}}]}}}
""",
    "ring": "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}",
    "maglev": "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}}}",
    "passthrough": "trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}",
    "zones": """
trafficPolicy:
  outlierDetection: {}
  loadBalancer: {zoneAwareLbSetting: {minClusterSize: 3, failover: [{from: r1, to: r2}]}}
""",
    "client-protocol": "trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}",
    "upgrade": "trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}",
    "simple": "trafficPolicy: {tls: {mode: SIMPLE}}",
    "simple-sni": "trafficPolicy: {tls: {mode: SIMPLE, sni: a.com, subjectAltNames: [a.com, 'spiffe://a/b']}}",
    "unverified": "trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}, proxyProtocol: {}}",
    "subsets": """
trafficPolicy: {tls: {mode: DISABLE}}
subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}, trafficPolicy: {retryBudget: {}}}]
""",
}

SECURE = "trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [a.com]}}"

ENTRIES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dns}
spec: {hosts: [dns.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: rr}
spec:
  {hosts: [rr.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS_ROUND_ROBIN,
   endpoints: [{address: other.com}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none}
spec: {hosts: [none.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 81}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: race, annotations: {istio.io/connect-strategy: RACE_FIRST_TCP_CONNECT}}
spec: {hosts: [race.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dynamic}
spec:
  hosts: ["*.dynamic.com"]
  resolution: DYNAMIC_DNS
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: grpc, protocol: GRPC}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: secure}
spec: {hosts: ["*.secure.com"], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DYNAMIC_DNS}
"""

SIDECAR_OBJECT = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: sidecar}
spec:
  ingress:
  - {port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: "127.0.0.1:8080"}
  - {port: {number: 9081, name: grpc, protocol: GRPC}, defaultEndpoint: "0.0.0.0:8081"}
  - {port: {number: 9082, name: tcp, protocol: TCP}, defaultEndpoint: "unix:///tmp/a.sock"}
  - {port: {number: 9083, name: auto, protocol: ""}}
"""


def wide_mesh() -> Mesh:
    """Every form of cluster that there is."""
    mode = OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS
    config = MeshConfig(
        outbound_traffic_policy=MeshOutboundTrafficPolicy(mode=mode),
        default_config={"proxyHeaders": {"preserveHttp1HeaderCase": True}},
    )
    mesh = Mesh(mesh=config)
    mesh.add(rule(f"host: '*.secure.com'\n{SECURE}", name="secure"))
    for name, spec in RULES.items():
        selector = {"app": name}
        mesh.add(
            service(name, ports=PORTS, selector=selector),
            pod(f"{name}-1", "10.1.0.1", labels={**selector, "version": "v1"}),
            endpoint_slice(name, endpoint("10.1.0.1", f"{name}-1"), service=name),
            rule(f"host: {name}\n{spec}", name=name),
        )
    mesh.add(service("headless", clusterIP="None"), *ENTRIES.split("---"))
    return mesh


@pytest.mark.envoy
@pytest.mark.parametrize("addresses", [("10.9.9.9",), ("2001:db8::1",), ("10.9.9.9", "2001:db8::1")])
def test_every_form_of_cluster_is_accepted_without_a_warning(
    addresses: tuple[str, ...], envoy_binary: Path, tmp_path: Path
) -> None:
    # Where a machine keeps its roots of trust is not what is tested.
    roots = ssl.get_default_verify_paths().cafile
    assert roots is not None
    mesh = wide_mesh()
    mesh.db.replace_settings(msgspec.structs.replace(mesh.db.settings, system_roots=roots))
    proxy = msgspec.structs.replace(SIDECAR, name="pool-1", addresses=addresses)
    uncaptured = msgspec.structs.replace(proxy, capture=Capture.NONE)
    found = [list(mesh.clusters(viewer).values()) for viewer in (GATEWAY, uncaptured, proxy)]
    mesh.add(SIDECAR_OBJECT)
    found += [list(mesh.clusters(viewer).values()) for viewer in (uncaptured, proxy)]
    for resources in found:
        report = validate(envoy_binary, (Cluster.FromString(each.body) for each in resources), tmp_path)
        assert "deprecated" not in report.lower()


def validate(envoy: Path, clusters: Iterable[Cluster], folder: Path) -> str:
    """Have Envoy check clusters; returns what it said. Fails the test if it rejects them."""
    control_plane = Cluster(name="xds-grpc", type=Cluster.STATIC)
    options = HttpProtocolOptions()
    options.explicit_http_config.http2_protocol_options.SetInParent()
    control_plane.typed_extension_protocol_options[EXTENSION].CopyFrom(pack(options))
    bootstrap = Bootstrap()
    bootstrap.node.id = bootstrap.node.cluster = "test"
    bootstrap.static_resources.clusters.extend([control_plane, *clusters])
    grpc = GrpcService(envoy_grpc=GrpcService.EnvoyGrpc(cluster_name="xds-grpc"))
    bootstrap.dynamic_resources.ads_config.CopyFrom(
        ApiConfigSource(api_type=ApiConfigSource.DELTA_GRPC, transport_api_version=ApiVersion.V3, grpc_services=[grpc])
    )
    file = folder / "bootstrap.json"
    file.write_text(MessageToJson(bootstrap))
    command = [str(envoy), "--mode", "validate", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr
