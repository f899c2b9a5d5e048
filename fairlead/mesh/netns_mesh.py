"""A mesh in which pods are network namespaces and sidecars intercept their traffic, as in a cluster."""

from ipaddress import ip_address
from pathlib import Path

from fairlead.iptables.apply import apply_programs, detect_versions
from fairlead.iptables.settings import CaptureSettings, DnsCapture
from fairlead.mesh.documents import Document, StandInPod
from fairlead.mesh.identities import MeshIdentities
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.netns_addresses import NamespaceAddresses
from fairlead.mesh.proxy import Proxy, Stream
from translator.model.proxy import Capture, IpFamilies


class NamespaceMesh(LocalMesh):
    """A LocalMesh whose clients and servers all have an intercepting sidecar."""

    def __init__(  # noqa: PLR0913 - everything about a mesh that a test may choose
        self,
        workdir: Path,
        mesh_config: Document | None = None,
        capture: Capture = Capture.REDIRECT,
        families: IpFamilies = IpFamilies.V4,
        *,
        answers_dns: bool = False,
        identities: MeshIdentities | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        """Make the network. Raises NamespaceError.

        ``answers_dns``: pods ask a name server outside of the mesh, and their sidecars answer what they know.
        ``identities`` and ``arguments``: see LocalMesh.
        """
        self.network = NamespaceAddresses(families)
        super().__init__(workdir, mesh_config, self.network, arguments, identities=identities)
        self.capture = capture
        self._answers_dns = answers_dns
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
            apply_programs(CaptureSettings(mode=mode, dns=self._dns_capture(pod)), detect_versions())
        return await super().start_sidecar(pod, stream, ip or pod.ip, mode)

    def _dns_capture(self, pod: StandInPod) -> DnsCapture | None:
        if not self._answers_dns:
            return None
        network, server = self.network.network, self.network.outside.ip
        domains = (f"{pod.namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local")
        network.use_name_server(self.network.namespace(pod.ip), server, *domains)
        return DnsCapture(servers=(ip_address(server),))
