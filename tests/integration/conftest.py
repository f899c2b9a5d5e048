"""A folder with a small, healthy mesh."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc.aio
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
def _grpc_poller() -> Iterator[None]:
    # gRPC's own poller thread starts with its first user and would look like that test's leak.
    # Which loop it starts on does not matter: it serves any number of them.
    async def start() -> None:
        grpc.aio.init_grpc_aio()

    asyncio.run(start())
    yield
    grpc.aio.shutdown_grpc_aio()


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
