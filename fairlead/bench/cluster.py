"""A Kubernetes API server as the place where the load is written."""

import asyncio
from collections.abc import Iterable
from typing import Final

from fairlead.bench.destination import Write
from fairlead.bench.failure import BenchError
from fairlead.bench.load import Document
from fairlead.sources.kubernetes.access import AccessError, KubeconfigAccess, default_kubeconfig
from fairlead.sources.kubernetes.connection import ApiConnection, ApiError, ApiRefused

# RFC 7386: lists are replaced as a whole.
_MERGE: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
_NOT_FOUND: Final = 404
# So many requests are under way at a time: one after the other, a large load takes minutes.
_AT_ONCE: Final = 32
_PLURALS: Final = {
    "Namespace": "namespaces",
    "Service": "services",
    "EndpointSlice": "endpointslices",
    "Sidecar": "sidecars",
    "Gateway": "gateways",
    "VirtualService": "virtualservices",
    "DestinationRule": "destinationrules",
}


class ClusterDestination:
    """Creates objects, or replaces what they say if they are there."""

    def __init__(self, kubeconfig: str) -> None:
        """Prepare; an empty ``kubeconfig`` is the one that kubectl would use."""
        self._connection = ApiConnection(KubeconfigAccess(path=kubeconfig or default_kubeconfig()))

    async def fill(self, documents: Iterable[Document]) -> None:
        """Write the whole load, namespaces first. BenchError when the server does not take it."""
        waiting = list(documents)
        await self._put_all([each for each in waiting if each["kind"] == "Namespace"])
        await self._put_all([each for each in waiting if each["kind"] != "Namespace"])

    def prepare(self, documents: Iterable[Document]) -> Write:
        """Prepare to write some objects, those first that others belong to."""
        changed = list(documents)

        async def write() -> None:
            for document in changed:
                await self._put(document)

        return write

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def _put_all(self, documents: list[Document]) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def put(document: Document) -> None:
            async with limit:
                await self._put(document)

        try:
            async with asyncio.TaskGroup() as group:
                for document in documents:
                    group.create_task(put(document))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _put(self, document: Document) -> None:
        collection, name = _collection(document), document["metadata"]["name"]
        try:
            try:
                await self._connection.send("PATCH", f"{collection}/{name}", body=document, content_type=_MERGE)
            except ApiRefused as refused:
                if refused.code != _NOT_FOUND:
                    raise
                await self._connection.send("POST", collection, body=document, content_type=_JSON)
        except (AccessError, ApiError) as error:
            raise BenchError(
                f"the API server does not take {document['kind']} {name}: {error}. "
                "Are the definitions of Istio's kinds installed, and may you write there?"
            ) from error


def _collection(document: Document) -> str:
    """Where objects of its kind are kept."""
    group, _, version = document["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    namespace = document["metadata"].get("namespace")
    scope = f"{root}/namespaces/{namespace}" if namespace else root
    return f"{scope}/{_PLURALS[document['kind']]}"
