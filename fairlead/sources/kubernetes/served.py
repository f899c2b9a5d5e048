"""Which kinds an API server serves, and under which paths: those of definitions that are installed later, too."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import msgspec

from fairlead.sources.kubernetes.connection import ApiConnection, ApiRefused, ApiUnreachable
from translator.objects.registry import KINDS, Kind, KindSpec


class Collection(NamedTuple):
    """All objects of a resource, or those of a namespace or selectors: what can be listed and watched.

    ``kind`` is None for resources that are no part of a mesh.
    """

    kind: Kind | None
    group: str
    version: str
    plural: str
    namespace: str = ""
    fields: str = ""
    labels: str = ""

    @property
    def path(self) -> str:
        """The path of the collection."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{self.namespace}/{self.plural}" if self.namespace else f"{root}/{self.plural}"

    @property
    def api_version(self) -> str:
        """As documents say it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def named(self, namespace: str, name: str) -> "Collection":
        """The part of the collection that is one object."""
        return self._replace(namespace=namespace, fields=f"metadata.name={name}")

    def rule(self, *verbs: str) -> str:
        """The rule that a ClusterRole needs for the verbs, as YAML in one line."""
        names = ", ".join(verbs)
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.plural}"], verbs: [{names}]}}'


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


_RecordT = TypeVar("_RecordT", bound=_Record)


class _Version(_Record, frozen=True, kw_only=True):
    version: str


class _Group(_Record, frozen=True, kw_only=True):
    name: str
    versions: tuple[_Version, ...] = ()


class _GroupList(_Record, frozen=True, kw_only=True):
    groups: tuple[_Group, ...] = ()


class _Resource(_Record, frozen=True, kw_only=True):
    name: str
    kind: str
    verbs: tuple[str, ...] = ()


class _ResourceList(_Record, frozen=True, kw_only=True):
    resources: tuple[_Resource, ...] = ()


async def find_served(connection: ApiConnection, kinds: Iterable[Kind]) -> dict[Kind, Collection]:
    """The collections of those of the kinds that are served, each in the version that we like best. Raises ApiError."""
    wanted = frozenset(kinds)
    specs = [spec for spec in KINDS if spec.kind in wanted]
    offered = _decode(await connection.get("/apis"), _GroupList)
    versions = {group.name: [each.version for each in group.versions] for group in offered.groups}
    # The core group is not among the others; every server has it.
    versions[""] = ["v1"]
    wanted_lists = sorted(
        {
            (spec.group, version)
            for spec in specs
            for version in spec.versions
            if version in versions.get(spec.group, ())
        }
    )
    found = await asyncio.gather(*(_resources(connection, group, version) for group, version in wanted_lists))
    lists = dict(zip(wanted_lists, found, strict=True))
    collections = {spec.kind: _best(spec, lists) for spec in specs}
    return {kind: collection for kind, collection in collections.items() if collection is not None}


def _decode(body: bytes, record: type[_RecordT]) -> _RecordT:
    try:
        return msgspec.json.decode(body, type=record)
    except msgspec.DecodeError as error:
        raise ApiUnreachable(f"it sent something unreadable: {error}", "GET /apis") from error


async def _resources(connection: ApiConnection, group: str, version: str) -> dict[str, str]:
    """The plurals of the kinds of one version of a group that can be followed."""
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    try:
        offered = _decode(await connection.get(path), _ResourceList)
    except ApiRefused as error:
        if error.code == 404:
            return {}
        raise
    return {
        each.kind: each.name
        for each in offered.resources
        if "/" not in each.name and {"list", "watch"} <= {*each.verbs}
    }


def _best(spec: KindSpec, lists: dict[tuple[str, str], dict[str, str]]) -> Collection | None:
    for version in spec.versions:
        plural = lists.get((spec.group, version), {}).get(spec.kind.bare)
        if plural:
            return Collection(spec.kind, spec.group, version, plural)
    return None
