"""A mesh whose control plane follows an API server instead of a folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.mesh.documents import Document
from fairlead.mesh.folder import parse_documents
from fairlead.mesh.mesh import LocalMesh
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer


class ClusterObjects:
    """The objects of a cluster, written as its controllers write them; also while nobody can reach its server."""

    def __init__(self, server: ApiServer, kubeconfig: Path) -> None:
        self.server = server
        self._kubeconfig = server.write_kubeconfig(kubeconfig)

    @property
    def source(self) -> tuple[str, ...]:
        """What ``fairlead serve`` is to follow."""
        return ("--kubeconfig", str(self._kubeconfig))

    def apply(self, *documents: Document) -> None:
        """Write objects; one that was written before is replaced."""
        self.server.put(*documents)

    def apply_yaml(self, text: str, namespace: str | None = None) -> list[Document]:
        """Write every object of a YAML text, into a namespace if it names none; return them."""
        documents = list(parse_documents(text, namespace))
        self.apply(*documents)
        return documents

    def delete(self, *documents: Document) -> None:
        """Remove objects at once. ApiError if there is one that is not there."""
        for document in documents:
            metadata = document["metadata"]
            namespace = metadata.get("namespace", "default")
            self.server.remove(document["apiVersion"], document["kind"], metadata["name"], namespace)


class ClusterMesh(LocalMesh):
    """A LocalMesh on an API server."""

    def __init__(self, workdir: Path, server: ApiServer) -> None:
        super().__init__(workdir, objects=ClusterObjects(server, workdir / "kubeconfig"))
        self.server = server


@asynccontextmanager
async def open_cluster_mesh(workdir: Path) -> AsyncIterator[ClusterMesh]:
    """A control plane on an API server that has the mesh's kinds. No Envoy may reject what it is sent."""
    async with ApiServer() as server:
        server.put(*mesh_definitions())
        async with ClusterMesh(workdir, server) as mesh:
            yield mesh
            for proxy in await mesh.control_plane.debug("proxies"):
                rejected = {name: status["rejected"] for name, status in proxy["types"].items() if status["nacks"]}
                assert not rejected, f"{proxy['proxy']}: {rejected}"
