"""A gateway gets the certificate that it serves with over TLS, for a token of its service account, and only so."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings
from fairlead.bootstrap_tls import ControlPlaneTLS, build_token_secret
from fairlead.identity import ProxyIdentity
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.documents import (
    StandInPod,
    StandInPort,
    StandInService,
    namespace_document,
    pod_document,
    service_document,
)
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.document import Document
from tests.apiserver.server import ApiServer
from tests.e2e.authority import Authority, KeyPair
from translator.model.proxy import Role

HOST = "web.example.com"
NAMESPACE = "istio-system"
ACCOUNT = "gateway"
MESH = f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  selector: {{app: edge}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: [{HOST}]
    tls: {{mode: SIMPLE, credentialName: web}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  hosts: [{HOST}]
  gateways: [web]
  http: [{{directResponse: {{status: 200}}}}]
"""


class Cluster:
    """A cluster with a gateway's pod in it, and the control plane that follows it on two addresses."""

    def __init__(self, server: ApiServer, addresses: Addresses, workdir: Path) -> None:
        self._workdir = workdir
        self._server = server
        self._addresses = addresses
        self._ca = workdir / "ca"
        self.pod = StandInPod("edge-1", NAMESPACE, addresses.ip(), {"app": "edge"}, service_account=ACCOUNT)
        self.port = addresses.port()
        ip = addresses.ip()
        # Reached by other machines: nobody is believed for being here.
        self._plain = Address("0.0.0.0", addresses.port())  # noqa: S104
        self._secure = Address(ip, 15012)
        self.control_plane = ControlPlaneProcess(
            ("--kubeconfig", str(server.write_kubeconfig(workdir / "kubeconfig"))),
            (str(self._plain), str(Address(ip, 15014))),
            workdir / "control-plane.log",
            *("--secure-xds", str(self._secure), "--ca-dir", str(self._ca), "--no-write-status"),
        )

    def apply(self, pair: KeyPair) -> None:
        """Write the Secret with the certificate of the gateway."""
        data = {"tls.crt": pair.certificate.read_bytes(), "tls.key": pair.key.read_bytes()}
        secret: Document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        self._server.put(secret)

    def anonymous(self) -> Proxy:
        """The gateway, in plain text."""
        return self._gateway("anonymous", Address("127.0.0.1", self._plain.port), None)

    def authenticated(self) -> Proxy:
        """The gateway, over TLS, with the token that Kubernetes gives its pod."""
        token, secret = self._workdir / "token", self._workdir / "token-sds.json"
        token.write_text(self._server.tokens.issue(NAMESPACE, ACCOUNT, audiences=("istio-ca",), pod=self.pod.name))
        secret.write_text(json.dumps(build_token_secret(str(token))))
        tls = ControlPlaneTLS(roots=str(self._ca / "root-cert.pem"), token_secret=str(secret))
        return self._gateway("authenticated", self._secure, tls)

    def _gateway(self, name: str, xds: Address, tls: ControlPlaneTLS | None) -> Proxy:
        identity = ProxyIdentity(
            role=Role.GATEWAY,
            namespace=NAMESPACE,
            name=self.pod.name,
            addresses=self.pod.ips,
            labels=self.pod.labels,
            service_account=ACCOUNT,
        )
        settings = BootstrapSettings(xds=xds, admin_port=self._addresses.port(), tls=tls)
        return Proxy(identity, settings, self._workdir / name, {443: self.port})


@asynccontextmanager
async def open_cluster(workdir: Path, pair: KeyPair) -> AsyncIterator[Cluster]:
    """A running control plane."""
    async with ApiServer() as server:
        with Addresses() as addresses:
            cluster = Cluster(server, addresses, workdir)
            ports = (StandInPort(443, cluster.port, "https"),)
            service = StandInService("edge", NAMESPACE, ports, addresses.cluster_ips()[0])
            server.put(*mesh_definitions(), namespace_document(NAMESPACE))
            server.put(pod_document(cluster.pod), service_document(service))
            server.put_yaml(MESH)
            cluster.apply(pair)
            async with cluster.control_plane:
                yield cluster


async def shown(address: str, roots: Path) -> str:
    """The serial number of the certificate that a request for the host is answered under. OSError if there is none."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=str(roots))
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=HOST)
    try:
        writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        return str(writer.get_extra_info("peercert")["serialNumber"])
    finally:
        writer.transport.abort()


async def test_a_gateway_serves_with_a_secret_once_it_proves_who_it_is(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with open_cluster(tmp_path, authority.issue(HOST)) as cluster:
        async with cluster.anonymous() as gateway:
            await gateway.wait_config(lambda config: bool(config.listeners))
            with pytest.raises((ssl.SSLError, ConnectionError)) as caught:
                await shown(gateway.address(443), authority.roots)
            assert not isinstance(caught.value, ConnectionRefusedError), "it does not even listen"
        async with cluster.authenticated() as gateway:
            first = await wait_shown(cluster, gateway, authority)
            cluster.apply(authority.issue(HOST))
            assert await wait_shown(cluster, gateway, authority, other_than=first) != first
        for log in (cluster.control_plane.log, gateway.log):
            assert "PRIVATE KEY" not in log.read_text()
            assert "eyJ" not in log.read_text()


async def wait_shown(cluster: Cluster, gateway: Proxy, authority: Authority, other_than: str = "") -> str:
    """Wait for an answer, under another certificate."""

    async def probe() -> str:
        try:
            serial = await shown(gateway.address(443), authority.roots)
        except OSError as error:
            raise NotYetError(str(error)) from error
        if serial == other_than:
            raise NotYetError("the certificate is the old one")
        return serial

    return await wait_until(probe, context=lambda: f"{cluster.control_plane.describe()}\n{gateway.describe()}")
