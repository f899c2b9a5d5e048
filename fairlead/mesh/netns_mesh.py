"""A mesh in which pods are network namespaces and sidecars intercept their traffic, as in a cluster."""

from pathlib import Path

from fairlead.iptables.apply import apply_programs, detect_versions
from fairlead.iptables.settings import CaptureSettings
from fairlead.mesh.documents import Document, StandInPod
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.netns_addresses import NamespaceAddresses
from fairlead.mesh.proxy import Proxy, Stream
from translator.model.proxy import Capture, IpFamilies


class NamespaceMesh(LocalMesh):
    """A LocalMesh whose clients and servers all have an intercepting sidecar."""

    def __init__(
        self,
        workdir: Path,
        mesh_config: Document | None = None,
        capture: Capture = Capture.REDIRECT,
        families: IpFamilies = IpFamilies.V4,
    ) -> None:
        """Make the network. Raises NamespaceError."""
        self.network = NamespaceAddresses(families)
        super().__init__(workdir, mesh_config, self.network)
        self.capture = capture
        self._start_pod_sidecar = self.start_sidecar

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
