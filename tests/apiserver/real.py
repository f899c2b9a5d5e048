"""A real etcd and kube-apiserver, where the machine has them: in the folder that KUBEBUILDER_ASSETS names."""

import json
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fairlead.mesh.process import ChildProcess
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.apiserver.cluster import Cluster

TOKEN = "conformance"
_START = 60.0


def missing() -> str:
    """Why there is no real API server here; "" when there is one."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return "KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver"
    absent = [name for name in ("etcd", "kube-apiserver") if not (Path(folder) / name).exists()]
    return f"no {' and no '.join(absent)} in {folder}" if absent else ""


@asynccontextmanager
async def real_cluster(workdir: Path) -> AsyncIterator[Cluster]:
    """An empty cluster of one real API server, with all rights."""
    etcd_port, peer_port, port = _free_ports(3)
    url = f"https://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_etcd(workdir, etcd_port, peer_port))
        api_server = await stack.enter_async_context(_api_server(workdir, etcd_port, port))
        # Its certificate is one that it made for itself a moment ago.
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        cluster = await stack.enter_async_context(Cluster(url, token=TOKEN, tls=trusting))

        async def ready() -> None:
            api_server.check_running()
            answer = await cluster.get("/readyz")
            if answer.status != 200:
                raise NotYetError(str(answer.body))
            (await cluster.get("/api/v1/namespaces/default")).ok()

        await wait_until(ready, deadline=_START, context=api_server.describe)
        cluster.compact = lambda: _compact(etcd_port, cluster)
        cluster.is_whole = False
        yield cluster


def _etcd(workdir: Path, port: int, peer_port: int) -> ChildProcess:
    url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    command = [
        _binary("etcd"),
        f"--data-dir={workdir / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]
    return ChildProcess("etcd", command, workdir / "etcd.log")


def _api_server(workdir: Path, etcd_port: int, port: int) -> ChildProcess:
    key = workdir / "service-accounts.key"
    key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    tokens = workdir / "tokens.csv"
    tokens.write_text(f"{TOKEN},admin,1,system:masters\n")
    command = [
        _binary("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={workdir / 'certificates'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--disable-admission-plugins=ServiceAccount",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
    ]
    return ChildProcess("kube-apiserver", command, workdir / "kube-apiserver.log")


async def _compact(etcd_port: int, cluster: Cluster) -> None:
    """Compact the history up to now, through etcd's JSON gateway."""
    revision = (await cluster.get("/api/v1/namespaces")).ok()["metadata"]["resourceVersion"]
    body = json.dumps({"revision": revision})
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{etcd_port}/v3/kv/compaction", data=body) as response,
    ):
        response.raise_for_status()


def _binary(name: str) -> str:
    return str(Path(os.environ["KUBEBUILDER_ASSETS"]) / name)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
