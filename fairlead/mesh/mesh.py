"""A whole mesh on one machine: control plane, workloads, sidecars, gateways."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import yaml

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings
from fairlead.identity import ProxyIdentity
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.documents import (
    Document,
    StandInPod,
    StandInPort,
    StandInService,
    namespace_document,
    node_document,
    pod_document,
    service_document,
)
from fairlead.mesh.folder import ConfigFolder, MeshObjects
from fairlead.mesh.identities import MeshIdentities
from fairlead.mesh.netns_addresses import NamespaceAddresses
from fairlead.mesh.proxy import Place, Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.workload import BuildServer, StartSidecar, Workload
from translator.model.proxy import Capture, Role

GATEWAY_NAMESPACE: Final = "istio-system"
GATEWAY_LABELS: Final[Mapping[str, str]] = {"app": "istio-ingressgateway", "istio": "ingressgateway"}


class LocalMesh:
    """Starts the control plane when its block is entered, and ends everything it started with the block."""

    def __init__(  # noqa: PLR0913, PLR0917 - everything about a mesh that a test may choose
        self,
        workdir: Path,
        mesh_config: Document | None = None,
        addresses: Addresses | NamespaceAddresses | None = None,
        arguments: tuple[str, ...] = (),
        objects: MeshObjects | None = None,
        identities: MeshIdentities | None = None,
    ) -> None:
        """Keep configuration, bootstraps and logs in a folder of its own. The MeshConfig is Istio's default.

        The addresses are given back with the mesh. ``arguments`` are further ones of ``fairlead serve``.
        ``objects``: where the mesh is described instead of in the folder.
        With ``identities`` proxies connect over TLS, prove who they are and get certificates.
        """
        self.workdir = workdir
        self.addresses = addresses or Addresses()
        self.folder = ConfigFolder(workdir / "config")
        self.objects = objects or self.folder
        ip = self.addresses.ip()
        if mesh_config is not None:
            (workdir / "mesh.yaml").write_text(yaml.safe_dump(mesh_config))
            arguments = ("--mesh-config", str(workdir / "mesh.yaml"), *arguments)
        self.identities = identities
        if identities is not None:
            arguments = (*arguments, *identities.arguments)
        self.control_plane = ControlPlaneProcess(
            self.objects.source,
            (str(Address(ip, 15010)), str(Address(ip, 15014))),
            workdir / "control-plane.log",
            *arguments,
            namespace=self.addresses.namespace(ip),
        )
        self.proxies: list[Proxy] = []
        # Services with low ports are left out then, which otherwise would be rejected by every sidecar.
        self._unprivileged = not self.addresses.may_listen(1)
        # Pods of workloads have no proxy of their own, unless somebody says how to start it.
        self._start_pod_sidecar: StartSidecar | None = None
        self._answers_dns = False
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Write what every mesh has and start the control plane."""
        self.objects.apply(namespace_document("default"), namespace_document(GATEWAY_NAMESPACE), node_document())
        self._running.callback(self.addresses.close)
        try:
            await self._running.enter_async_context(self.control_plane)
        except BaseException:
            await self._running.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything, in reverse order."""
        await self._running.aclose()

    def workload(
        self,
        name: str,
        namespace: str = "default",
        ports: tuple[StandInPort, ...] = (StandInPort(8000, 8080),),
        build_server: BuildServer = httpbin.build_backend,
    ) -> Workload:
        """A Service with as yet no pods."""
        service = StandInService(name, namespace, ports, *self._cluster_ips())
        workload = Workload(service, self.objects, self.addresses, build_server, self._start_pod_sidecar)
        self._running.push_async_callback(workload.close)
        return workload

    async def start_sidecar(
        self,
        pod: StandInPod,
        stream: Stream = Stream.DELTA,
        ip: str | None = None,
        capture: Capture = Capture.NONE,
    ) -> Proxy:
        """Start the sidecar of a pod that the folder knows, on an address of its own (default: a new one)."""
        identity = ProxyIdentity(
            role=Role.SIDECAR,
            namespace=pod.namespace,
            name=pod.name,
            addresses=self.addresses.all_ips(ip or self.addresses.ip()),
            labels=pod.labels,
            service_account=pod.service_account,
            capture=capture,
            unprivileged=self._unprivileged,
            answers_dns=self._answers_dns,
        )
        return await self._start(identity, stream)

    async def start_client(
        self, name: str = "sleep", namespace: str = "default", stream: Stream = Stream.DELTA
    ) -> Proxy:
        """Start the sidecar of a new pod that only calls others."""
        pod = self._pod(name, namespace, {"app": name})
        self.objects.apply(pod_document(pod))
        return await self.start_sidecar(pod, stream)

    async def start_gateway(
        self,
        ports: Mapping[int, int],
        *,
        name: str = "istio-ingressgateway",
        labels: Mapping[str, str] = GATEWAY_LABELS,
        stream: Stream = Stream.DELTA,
    ) -> Proxy:
        """Start a gateway whose Service maps port numbers to those it listens on (all addresses of the machine)."""
        listened = tuple(StandInPort(number, target, f"http-{number}") for number, target in ports.items())
        service = StandInService(labels["app"], GATEWAY_NAMESPACE, listened, *self._cluster_ips())
        pod = self._pod(f"{name}-1", GATEWAY_NAMESPACE, labels)
        self.objects.apply(service_document(service), pod_document(pod))
        identity = ProxyIdentity(
            role=Role.GATEWAY, namespace=pod.namespace, name=pod.name, addresses=pod.ips, labels=labels
        )
        return await self._start(identity, stream, ports)

    def describe(self) -> str:
        """The ends of all logs, for a failure message."""
        return "\n".join(process.describe() for process in (self.control_plane, *self.proxies))

    def _cluster_ips(self) -> tuple[str, tuple[str, ...]]:
        first, *others = self.addresses.cluster_ips()
        return first, tuple(others)

    def _pod(self, name: str, namespace: str, labels: Mapping[str, str]) -> StandInPod:
        """A new pod, with addresses that nobody else has."""
        ip = self.addresses.ip()
        return StandInPod(name, namespace, ip, labels, other_ips=self.addresses.all_ips(ip)[1:])

    async def _start(self, identity: ProxyIdentity, stream: Stream, ports: Mapping[int, int] | None = None) -> Proxy:
        settings = BootstrapSettings(
            xds=Address.parse(self.control_plane.xds),
            admin_port=self.addresses.port(),
            delta=stream is Stream.DELTA,
            tls=self.identities.control_plane_tls(identity) if self.identities else None,
        )
        place = Place(self.addresses.namespace(identity.addresses[0]), self.addresses.outside)
        proxy = await self._running.enter_async_context(Proxy(identity, settings, self.workdir, ports, place))
        self.proxies.append(proxy)
        return proxy
