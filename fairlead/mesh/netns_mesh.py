"""A mesh in which pods are network namespaces and sidecars intercept their traffic, as in a cluster."""

from pathlib import Path

from fairlead.iptables.apply import apply_programs, detect_versions
from fairlead.iptables.settings import CaptureSettings
from fairlead.mesh.documents import Document, StandInPod, StandInPort, StandInService, pod_document
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.netns_addresses import NamespaceAddresses
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.workload import BuildServer, Workload
from translator.model.proxy import Capture


class NamespaceMesh(LocalMesh):
    """A LocalMesh whose clients and servers all have an intercepting sidecar."""

    def __init__(self, workdir: Path, mesh_config: Document | None = None, capture: Capture = Capture.REDIRECT) -> None:
        """Make the network. Raises NamespaceError."""
        self.network = NamespaceAddresses()
        super().__init__(workdir, mesh_config, self.network)
        self.capture = capture

    def workload(
        self,
        name: str,
        namespace: str = "default",
        ports: tuple[StandInPort, ...] = (StandInPort(8000, 8080),),
        build_server: BuildServer = httpbin.build_backend,
    ) -> Workload:
        """A Service with as yet no pods; each will get a sidecar."""
        service = StandInService(name, namespace, ports, self.network.cluster_ip())
        workload = Workload(service, self.folder, self.network, build_server, self.start_sidecar)
        self._running.push_async_callback(workload.close)
        return workload

    async def start_sidecar(
        self,
        pod: StandInPod,
        stream: Stream = Stream.DELTA,
        ip: str | None = None,
        capture: Capture | None = None,
    ) -> Proxy:
        """Lead the traffic of a pod's namespace through a sidecar, and start it.

        In this order: what arrives on a connection from before the rules would count as a new one, and be caught.
        """
        mode = capture or self.capture
        with self.network.namespace(pod.ip).entered():
            apply_programs(CaptureSettings(mode=mode), detect_versions())
        return await super().start_sidecar(pod, stream, ip or pod.ip, mode)

    async def start_client(
        self, name: str = "sleep", namespace: str = "default", stream: Stream = Stream.DELTA
    ) -> Proxy:
        """Start a pod that only calls others, with its sidecar."""
        pod = StandInPod(name, namespace, self.network.ip(), {"app": name})
        self.folder.apply(pod_document(pod))
        return await self.start_sidecar(pod, stream)
