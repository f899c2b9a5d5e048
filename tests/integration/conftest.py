"""A folder with a small, healthy mesh."""

from pathlib import Path

import pytest

HEALTHY = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.1
  selector: {app: web}
  ports: [{name: http, port: 8000, targetPort: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}}]
"""


@pytest.fixture(scope="session", autouse=True)
def _grpc(grpc_poller: None) -> None:
    """Every test here may use gRPC."""


@pytest.fixture
def healthy() -> str:
    """The YAML of a Service with one endpoint."""
    return HEALTHY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder."""
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "web.yaml").write_text(HEALTHY)
    return folder
