"""Sovereign, an Envoy control plane in Python that is asked over REST, with the finished resources as its source.

It is used as its documentation teaches: a file as the source, read again as often as proxies ask (every second at
most: it takes whole seconds), whose entries are matched to proxies by their service cluster; a template in Python, the
faster kind; and the faster libraries for JSON and HTTP that it can use.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec
from google.protobuf.json_format import MessageToDict

import fairlead
from fairlead.bench.destination import Write
from fairlead.bench.load import Document
from fairlead.bench.messages import Endpoint
from fairlead.bench.peers.translated import Portion, TranslatedLoad
from fairlead.bench.plan import Peer, Plan
from fairlead.bench.subject import Subject
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.process import ChildProcess
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.proto_json import open_resource
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl

_FOLDER: Final = Path(str(fairlead.__file__)).parents[1] / "bench" / "peers" / "sovereign"
_TEMPLATE: Final = _FOLDER / "resources.py"
SOVEREIGN: Final = _FOLDER / "build" / "bin" / "sovereign"
_TYPES: Final = {CLUSTER: "clusters", ENDPOINT: "endpoints", LISTENER: "listeners", ROUTE: "routes"}
_OK: Final = 200


class SourceFile:
    """Where Sovereign finds the resources: an entry for each type, and for the proxies that get the same of it."""

    def __init__(self, load: TranslatedLoad, path: Path, interval: float) -> None:
        self._load = load
        self._path = path
        self._over_rest = {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": ["xds"],
            "refresh_delay": f"{interval}s",
        }
        self._held: dict[tuple[str, TypeUrl], dict[str, bytes]] = defaultdict(dict)
        self._take(load.everything())
        self._replace(self._text())

    async def fill(self, documents: Iterable[Document]) -> None:
        """Sovereign has read the load when it was started."""

    def prepare(self, documents: Iterable[Document]) -> Write:
        """Translate some objects. What that takes is not part of the time of a change."""
        self._take(self._load.change(documents))
        text = self._text()

        async def write() -> None:
            self._replace(text)

        return write

    def _take(self, portions: Iterable[Portion]) -> None:
        for portion in portions:
            changed = {resource.name: self._render(resource) for resource in portion.resources}
            for name in portion.classes:
                self._held[name, portion.type_url] |= changed

    def _render(self, resource: Resource) -> bytes:
        message = MessageToDict(open_resource(resource), preserving_proto_field_name=True)
        return msgspec.json.encode({"@type": resource.type_url} | self._asked_for(message))

    def _asked_for(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A part of a resource, with what is wanted over ADS wanted over REST."""
        match value:
            case {"ads": _}:
                return {"api_config_source": self._over_rest, "resource_api_version": "V3"}
            case dict():
                return {key: self._asked_for(each) for key, each in value.items()}
            case list():
                return [self._asked_for(each) for each in value]
            case _:
                return value

    def _text(self) -> bytes:
        shared: dict[tuple[TypeUrl, tuple[tuple[str, bytes], ...]], list[str]] = defaultdict(list)
        for (name, type_url), resources in self._held.items():
            shared[type_url, tuple(resources.items())] += self._load.node_clusters(name)
        entries = [
            {
                "service_clusters": clusters,
                "resources": {type_url: {name: msgspec.Raw(body) for name, body in resources}},
            }
            for (type_url, resources), clusters in shared.items()
        ]
        return msgspec.json.encode(entries)

    def _replace(self, text: bytes) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(text)
        draft.replace(self._path)


@asynccontextmanager
async def sovereign_subject(
    plan: Plan, load: TranslatedLoad, workdir: Path
) -> AsyncIterator[tuple[Subject, SourceFile]]:
    """Sovereign with the load, as a child process that answers when the block is entered."""
    source, settings = workdir / "instances.json", workdir / "sovereign.json"
    destination = SourceFile(load, source, plan.poll)
    settings.write_bytes(msgspec.json.encode(_settings(source, plan.poll)))
    with Addresses() as addresses:
        port = addresses.port()
        environment = {
            "SOVEREIGN_CONFIG": f"file+json://{settings}",
            "SOVEREIGN_HOST": "127.0.0.1",
            "SOVEREIGN_PORT": str(port),
            # As many as Fairlead and the other peers have.
            "SOVEREIGN_WORKERS": "1",
            # Longer than proxies wait until they ask again.
            "SOVEREIGN_KEEPALIVE": str(int(2 * plan.poll) + 60),
        }
        process = ChildProcess(Peer.SOVEREIGN.value, [str(SOVEREIGN)], workdir / "sovereign.log", environment)
        started = monotonic()
        await process.start()
        try:
            await wait_until(lambda: _reach(process, port), deadline=plan.timeout, context=process.describe)
            endpoint = Endpoint(host="127.0.0.1", port=port, delta=False, poll=plan.poll)
            yield Subject(Peer.SOVEREIGN.value, endpoint, process, monotonic() - started), destination
        finally:
            await process.terminate()


def _settings(source: Path, interval: float) -> dict[str, Any]:
    spec = {"protocol": "file", "serialization": "orjson", "path": str(source)}
    template = {"protocol": "python", "path": str(_TEMPLATE)}
    return {
        "sources": [{"type": "file", "config": {"spec": spec}}],
        "source_config": {"refresh_rate": max(1, int(interval))},
        "matching": {"enabled": True, "node_key": "cluster", "source_key": "service_clusters"},
        "templates": {"default": [{"type": name, "spec": template} for name in _TYPES.values()]},
        "logging": {"access_logs": {"enabled": False}},
    }


async def _reach(process: ChildProcess, port: int) -> None:
    process.check_running()
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}/healthcheck") as response,
    ):
        if response.status != _OK:
            raise NotYetError(f"/healthcheck answers {response.status}")
