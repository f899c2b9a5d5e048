"""What responses in JSON say, for proxies that ask over REST: the same as ``content`` finds in protocol buffers."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

import msgspec
import xxhash

from fairlead.bench.content import Content, Names, Part, find_hosts
from fairlead.bench.marker import find_markers
from xds.types import ENDPOINT, ROUTE, SECRET, TypeUrl

_REMEMBERED: Final = 20_000


class _Answer(msgspec.Struct):
    version_info: str
    resources: list[dict[str, Any]]


class JsonReader:
    """Reads answers, equal ones once."""

    def __init__(self) -> None:
        self._known: dict[tuple[TypeUrl, bytes], tuple[str, Content]] = {}
        self._serials = count(1)
        self._decoder = msgspec.json.Decoder(_Answer)

    def read(self, type_url: TypeUrl, body: bytes) -> tuple[str, Content]:
        """The version of an answer and its content. ValueError for what is no answer."""
        key = (type_url, xxhash.xxh3_128_digest(body))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            answer = self._decoder.decode(body)
            markers = frozenset(find_markers(body)) if type_url in {ENDPOINT, ROUTE} else frozenset()
            parts = {_name(each): _part(type_url, each, answer.version_info) for each in answer.resources}
            known = self._known[key] = answer.version_info, Content(next(self._serials), parts, markers)
        return known


def _name(resource: Mapping[str, Any]) -> str:
    name: str = resource.get("name") or resource["cluster_name"]
    return name


def _part(type_url: TypeUrl, resource: Mapping[str, Any], version: str) -> Part:
    references: dict[TypeUrl, set[str]] = {}
    for kind, name in _walk(resource):
        references.setdefault(kind, set()).add(name)
    hosts = find_hosts(msgspec.json.encode(resource)) if type_url == ROUTE else Names()
    return Part(version, {kind: frozenset(names) for kind, names in references.items()}, hosts)


def _walk(value: object) -> Iterator[tuple[TypeUrl, str]]:
    """What a resource and all inside it wants by name over REST."""
    match value:
        case {"type": "EDS", "name": name, "eds_cluster_config": {"eds_config": {"api_config_source": _}} as eds}:
            yield ENDPOINT, eds.get("service_name") or name
        case {"route_config_name": name, "config_source": {"api_config_source": _}}:
            yield ROUTE, name
        case {"name": name, "sds_config": {"api_config_source": _}}:
            yield SECRET, name
        case _:
            pass
    match value:
        case dict():
            for each in value.values():
                yield from _walk(each)
        case list():
            for each in value:
                yield from _walk(each)
        case _:
            pass
