"""Resources of one client alone, beside those that it shares with all clients of its View."""

import pytest
from envoy_data_plane.envoy.config.core.v3 import Node

from tests.protocol.models import made
from tests.protocol.wire_client import DELTA, SOTW, Rig, WireClient, connected, serving
from xds.cache import SnapshotCache
from xds.client import Client, ResourceState
from xds.events import Acked, Nacked
from xds.private import PrivateResources
from xds.types import CLUSTER, SECRET
from xds.view import View

METHODS = pytest.mark.parametrize("method", [SOTW, DELTA])
NAMES = ("default", "shared")


class OwnSecrets:
    """One View for all, and a secret of its own for each."""

    def __init__(self) -> None:
        self.cache = SnapshotCache(lambda _: "all")
        self.cache.set("all", [made(SECRET, "shared"), made(CLUSTER, "a")])

    async def attach(self, client: Client) -> View:
        client.private.put([made(SECRET, "default", client.node_id)])
        return await self.cache.attach(client)

    def detach(self, client: Client) -> None:
        """Nothing is kept for clients."""


async def introduced(rig: Rig, client: WireClient, name: str) -> Client:
    """Have a client ask for its secrets, and accept what it gets."""
    await client.ask(SECRET, NAMES, node=Node(id=name))
    answer = await client.hear()
    assert answer.resources == {"default": f"default={name}".encode(), "shared": b"shared=1"}
    await client.ack(answer, NAMES)
    await rig.until(Acked, len(rig.server.clients))
    return next(each for each in rig.server.clients.values() if each.node_id == name)


@METHODS
async def test_each_client_gets_its_own(method: str) -> None:
    async with serving(discovery=OwnSecrets()) as rig, connected(rig) as channel:
        one, other = WireClient(channel, method), WireClient(channel, method)
        client = await introduced(rig, one, "one")
        await introduced(rig, other, "other")
        rig.server.give(client, [made(SECRET, "default", "renewed")])
        answer = await one.hear()
        assert answer.resources == {"default": b"default=renewed"}
        await one.ack(answer, NAMES)
        await rig.until(Acked, 3)
        held = client.held(SECRET, "default")
        assert held is not None
        assert held.body == b"default=renewed"
        # The other one hears next what it asks for next.
        await other.ask(CLUSTER)
        assert (await other.hear()).type_url == CLUSTER


@METHODS
async def test_a_wildcard_does_not_cover_them(method: str) -> None:
    async with serving(discovery=OwnSecrets()) as rig, connected(rig) as channel:
        client = WireClient(channel, method)
        await client.ask(SECRET, ["*"])
        answer = await client.hear()
        assert answer.names == ["shared"]


@METHODS
async def test_what_one_refuses_is_not_replaced_by_what_another_has(method: str) -> None:
    async with serving(discovery=OwnSecrets()) as rig, connected(rig) as channel:
        good, bad = WireClient(channel, method), WireClient(channel, method)
        await introduced(rig, good, "good")
        await bad.ask(SECRET, NAMES, node=Node(id="bad"))
        answer = await bad.hear()
        await bad.ask(SECRET, () if bad.delta else NAMES, nonce=answer.nonce, error="default: no such curve")
        await rig.until(Nacked)
        again = await bad.hear()
        assert "default" not in again.resources
        client = next(each for each in rig.server.clients.values() if each.node_id == "bad")
        states = {each.name: each.state for each in client.resources()}
        assert states["default"] is ResourceState.NACKED
        rig.server.give(client, [made(SECRET, "default", "better")])
        await bad.ack(again, NAMES)
        answer = await bad.hear()
        assert answer.resources == {"default": b"default=better"}


def test_only_differences_are_changes() -> None:
    private = PrivateResources()
    assert private.put([made(SECRET, "a"), made(CLUSTER, "b")]) == {SECRET: {"a"}, CLUSTER: {"b"}}
    assert private.put([made(SECRET, "a"), made(SECRET, "c")]) == {SECRET: {"c"}}
    assert set(private.of(SECRET)) == {"a", "c"}
