"""Certificates of connected proxies: renewal, and a change of the authority step by step."""

import asyncio
import datetime as dt
from collections.abc import Iterable

from cryptography import x509
from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from fairlead.authentication.principal import principal
from fairlead.ca.authority import Authority, create_root
from fairlead.ca.enrolment import Enrolment
from xds.client import Client
from xds.events import StreamClosed
from xds.node import Node
from xds.resource import Resource
from xds.types import SECRET

WEB = principal("cluster.local", "shop", "web")


class Fleet:
    """Clients that take what they are given when they are told to, and remember all of it."""

    def __init__(self, *, lifetime: dt.timedelta = dt.timedelta(hours=1), patience: float = 5.0) -> None:
        self.first = create_root("first")
        self.given: list[tuple[Client, str, Resource]] = []
        self.enrolment = Enrolment(self.first, lifetime, self.give, patience=patience)
        self.renewed = asyncio.Event()

    def give(self, client: Client, resources: Iterable[Resource]) -> None:
        for resource in resources:
            client.private.put([resource])
            self.given.append((client, resource.name, resource))
        self.renewed.set()

    def connect(self, number: int = 1) -> Client:
        client = Client(number, Node.of(base_pb2.Node(id=f"proxy-{number}")), "peer", None, 0.0)
        self.enrolment.enrol(client, WEB)
        return client


def signer(client: Client) -> str:
    """Who signed the certificate that a client has."""
    secret = secret_pb2.Secret.FromString(client.private.of(SECRET)["default"].body)
    leaf = x509.load_pem_x509_certificates(secret.tls_certificate.certificate_chain.inline_bytes)[0]
    return leaf.issuer.rfc4514_string()


def roots(client: Client) -> list[str]:
    """Whom it trusts."""
    secret = secret_pb2.Secret.FromString(client.private.of(SECRET)["ROOTCA"].body)
    found = x509.load_pem_x509_certificates(secret.validation_context.trusted_ca.inline_bytes)
    return [each.subject.rfc4514_string() for each in found]


async def test_each_client_gets_a_certificate_and_the_roots() -> None:
    fleet = Fleet()
    one, other = fleet.connect(1), fleet.connect(2)
    assert one.private.of(SECRET)["default"] != other.private.of(SECRET)["default"]
    assert one.private.of(SECRET)["ROOTCA"] is other.private.of(SECRET)["ROOTCA"]
    fleet.enrolment.release(one)
    fleet.enrolment.release(other)


async def test_case_62_there_is_another_one_before_the_first_ends() -> None:
    fleet = Fleet(lifetime=dt.timedelta(seconds=2))
    client = fleet.connect()
    first = client.private.of(SECRET)["default"]
    fleet.renewed.clear()
    async with asyncio.timeout(5):
        await fleet.renewed.wait()
    assert client.private.of(SECRET)["default"] != first
    assert [name for _, name, _ in fleet.given] == ["default", "ROOTCA", "default"]
    fleet.enrolment.release(client)


async def test_case_63_everybody_trusts_both_roots_before_anybody_gets_a_certificate_of_the_new_one() -> None:
    fleet, second = Fleet(), create_root("second")
    clients = [fleet.connect(number) for number in (1, 2)]
    fleet.given.clear()
    await fleet.enrolment.adopt(second)
    order = [name for _, name, _ in fleet.given]
    assert order == ["ROOTCA", "ROOTCA", "default", "default", "ROOTCA", "ROOTCA"]
    assert [signer(client) for client in clients] == ["O=second", "O=second"]
    assert roots(clients[0]) == ["O=second"]
    for client in clients:
        fleet.enrolment.release(client)


async def test_a_step_waits_for_those_that_have_not_taken_it_but_not_for_ever() -> None:
    class Slow(Client):
        __slots__ = ()

        def held(self, type_url: object, name: str) -> Resource | None:
            return Resource(SECRET, name, b"old")

    fleet, second = Fleet(patience=0.05), create_root("second")
    client = Slow(1, Node.of(base_pb2.Node(id="slow")), "peer", None, 0.0)
    fleet.enrolment.enrol(client, WEB)
    adopting = asyncio.create_task(fleet.enrolment.adopt(second))
    await asyncio.sleep(0)
    assert sorted(roots(client)) == ["O=first", "O=second"]
    assert signer(client) == "O=first"
    fleet.enrolment.observe(StreamClosed(client, 0.0, None, ""))
    await adopting
    assert signer(client) == "O=second"
    fleet.enrolment.release(client)


async def test_who_connects_in_between_gets_what_is_in_force() -> None:
    fleet = Fleet()
    authority: Authority = create_root("second")
    await fleet.enrolment.adopt(authority)
    client = fleet.connect()
    assert (signer(client), roots(client)) == ("O=second", ["O=second"])
    assert fleet.enrolment.authority is authority
    fleet.enrolment.release(client)
