"""Names of gateways between networks, and a small DNS server that knows them, forgets them, or fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from socket import AF_INET, SOCK_DGRAM, socket

import msgspec
import pytest
import pytest_asyncio
from dns.asyncresolver import Resolver
from structlog.testing import capture_logs

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.sources.batch import Batch
from fairlead.sources.name_lookup import look_up
from fairlead.sources.names import Found, NameSource, NameTiming
from tests.e2e.outside import DnsServer
from translator.database import Database
from translator.model.network import resolved_gateways
from translator.objects.mesh_networks import MeshNetworks
from translator.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Whatever an answer says of its lifetime, somebody asks again at once.
RESTLESS = NameTiming(shortest=0.01, longest=0.02, retry=0.01)
PATIENT = NameTiming(shortest=600.0, longest=600.0)


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[DnsServer]:
    with socket(AF_INET, SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        async with DnsServer("127.0.0.1", bound=bound) as server:
            yield server


@pytest.fixture
def resolver(server: DnsServer) -> Resolver:
    assert server.bound is not None
    found = Resolver(configure=False)
    found.nameservers, found.port = ["127.0.0.1"], server.bound.getsockname()[1]
    return found


def mesh(*names: str) -> Settings:
    gateways = [{"address": name, "port": 15443} for name in names]
    return Settings(networks=msgspec.convert({"networks": {"n2": {"gateways": gateways}}}, MeshNetworks))


class Follower:
    """A database, and how often it was told something."""

    def __init__(self, *names: str) -> None:
        self.database = Database(mesh(*names))
        self.batches: list[Batch] = []

    async def take(self, batch: Batch) -> None:
        self.batches.append(batch)
        for name, addresses in (batch.addresses or {}).items():
            self.database.replace_addresses(name, addresses)

    def addresses(self) -> list[str]:
        return [each.address for each in resolved_gateways(self.database)]

    async def until(self, *addresses: str) -> None:
        async def probe() -> None:
            if self.addresses() != list(addresses):
                raise NotYetError(f"{self.addresses()}")

        await wait_until(probe)

    @asynccontextmanager
    async def following(self, resolver: Resolver, timing: NameTiming) -> AsyncIterator[NameSource]:
        source = NameSource(self.database, partial(look_up, resolver=resolver), timing)
        running = asyncio.create_task(source.run(self.take))
        try:
            yield source
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def test_a_name_has_addresses_of_both_versions(server: DnsServer, resolver: Resolver) -> None:
    server.records["gate.test"] = ("9.9.9.2", "9.9.9.1", "2001:db8::1")
    assert await look_up("gate.test", resolver) == Found(("9.9.9.1", "9.9.9.2"), ("2001:db8::1",), 1)
    assert await look_up("other.test", resolver) == Found((), ())


async def test_a_server_that_fails_says_nothing_of_the_addresses(server: DnsServer, resolver: Resolver) -> None:
    server.fails = True
    found = await look_up("gate.test", resolver)
    assert (found.v4, found.v6) == (None, None)
    assert "SERVFAIL" in found.fault


async def test_a_name_that_cannot_be_one_is_a_fault(resolver: Resolver) -> None:
    found = await look_up(f"{'a' * 64}.test", resolver)
    assert (found.v4, found.v6) == (None, None)
    assert found.fault


async def test_the_first_to_be_served_wait_for_names(server: DnsServer, resolver: Resolver) -> None:
    server.records["gate.test"] = ("9.9.9.1",)
    follower = Follower("GATE.test.", "none.test", "8.8.8.8")
    async with follower.following(resolver, PATIENT) as source:
        assert follower.addresses() == ["8.8.8.8", "gate.test", "none.test"]
        await source.settled()
        assert follower.addresses() == ["8.8.8.8", "9.9.9.1", "none.test"]


async def test_addresses_are_followed_and_told_only_when_they_are_others(server: DnsServer, resolver: Resolver) -> None:
    server.records["gate.test"] = ("9.9.9.1",)
    follower = Follower("gate.test")
    async with follower.following(resolver, RESTLESS):
        await follower.until("9.9.9.1")
        server.records["gate.test"] = ("9.9.9.3", "9.9.9.2")
        await follower.until("9.9.9.2", "9.9.9.3")
        server.records["gate.test"] = ("9.9.9.2", "9.9.9.3")
        server.asked.clear()
        await asked_again(server)
    assert [list((batch.addresses or {}).values()) for batch in follower.batches] == [
        [("9.9.9.1",)],
        [("9.9.9.2", "9.9.9.3")],
    ]


async def test_while_no_server_answers_what_was_said_last_stays(server: DnsServer, resolver: Resolver) -> None:
    server.records["gate.test"] = ("9.9.9.1",)
    follower = Follower("gate.test")
    with capture_logs() as logs:
        async with follower.following(resolver, RESTLESS):
            await follower.until("9.9.9.1")
            server.fails = True
            server.asked.clear()
            await asked_again(server)
            assert follower.addresses() == ["9.9.9.1"]
            server.records["gate.test"] = ("9.9.9.2",)
            server.fails = False
            await follower.until("9.9.9.2")
    events = [entry["event"] for entry in logs]
    assert events == ["names.resolved", "names.unanswered", "names.answered", "names.resolved"]


async def test_the_log_tells_a_name_without_addresses_from_a_server_that_fails(
    server: DnsServer, resolver: Resolver
) -> None:
    with capture_logs() as logs:
        for server.fails in (False, True):
            follower = Follower("none.test")
            async with follower.following(resolver, PATIENT) as source:
                assert follower.addresses() == ["none.test"]
                await source.settled()
    assert [entry["event"] for entry in logs] == ["names.unknown", "names.unanswered"]


async def test_names_come_and_go_with_the_gateways(server: DnsServer, resolver: Resolver) -> None:
    server.records |= {"one.test": ("9.9.9.1",), "two.test": ("9.9.9.2",)}
    follower = Follower("one.test")
    async with follower.following(resolver, RESTLESS):
        await follower.until("9.9.9.1")
        follower.database.replace_settings(mesh("one.test", "two.test"))
        await follower.until("9.9.9.1", "9.9.9.2")
        follower.database.replace_settings(mesh())
        await follower.until()
        assert not any(map(follower.database.is_read, follower.database.names.keys))


async def asked_again(server: DnsServer) -> None:
    """Wait until the server was asked some more times."""

    async def probe() -> None:
        if len(server.asked) < 8:
            raise NotYetError(f"{server.asked}")

    await wait_until(probe)
