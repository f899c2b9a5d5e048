"""TLS, mutual TLS and the authenticator."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address

import grpc
import grpc.aio
import pytest
from cryptography import x509
from envoy_data_plane.envoy.config.core.v3 import Node

from tests.certificates import KeyPair, issue
from tests.protocol.models import made
from tests.protocol.wire_client import WireClient, connected, serving
from xds.auth import Identity, Peer
from xds.errors import Code, StreamRejected
from xds.node import Node as XdsNode
from xds.options import Certificates, ServerOptions, Tls
from xds.status import FETCH_STATUS
from xds.types import CLUSTER

WEB = "spiffe://cluster.local/ns/shop/sa/web"


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return issue("ca", [])


@pytest.fixture(scope="module")
def server_pair(authority: KeyPair) -> KeyPair:
    return issue("server", [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))], authority)


@pytest.fixture(scope="module")
def client_pair(authority: KeyPair) -> KeyPair:
    return issue("client", [x509.UniformResourceIdentifier(WEB)], authority)


@dataclass
class SpiffeOrToken:
    """Admits by certificate or by token, and binds identities to the namespace in the node's id."""

    peers: list[Peer] = field(default_factory=list)

    async def authenticate(self, peer: Peer) -> Identity | None:
        self.peers.append(peer)
        if peer.names:
            return Identity(peer.names[0])
        token = peer.metadata.get("authorization")
        if token == "Bearer good":
            return Identity("spiffe://cluster.local/ns/shop/sa/token")
        if token is not None:
            raise StreamRejected(Code.UNAUTHENTICATED, "this token is not valid")
        return None

    def authorize(self, identity: Identity | None, node: XdsNode) -> None:
        if identity is not None and f"/ns/{node.id}/" not in identity.name:
            raise StreamRejected(Code.PERMISSION_DENIED, f"{identity.name} may not be {node.id}")

    def authorize_reader(self, identity: Identity | None) -> None:
        if identity is None:
            raise StreamRejected(Code.PERMISSION_DENIED, "nobody may read")


async def test_a_token_admits_and_binds_to_the_node() -> None:
    async with serving(authenticator=SpiffeOrToken()) as rig, connected(rig) as channel:
        good = {"authorization": "Bearer good"}
        client = WireClient(channel, metadata=good)
        await client.ask(CLUSTER, node=Node(id="shop"))
        await client.hear()
        assert rig.client.identity == Identity("spiffe://cluster.local/ns/shop/sa/token")
        stranger = WireClient(channel, metadata=good)
        await stranger.ask(CLUSTER, node=Node(id="bank"))
        code, details = await stranger.end()
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "may not be bank" in details


async def test_a_bad_token_is_refused_and_no_token_has_no_identity() -> None:
    async with serving(authenticator=SpiffeOrToken()) as rig, connected(rig) as channel:
        bad = WireClient(channel, metadata={"authorization": "Bearer bad"})
        assert await bad.end() == (grpc.StatusCode.UNAUTHENTICATED, "this token is not valid")
        nobody = WireClient(channel)
        await nobody.ask(CLUSTER)
        await nobody.hear()
        assert rig.client.identity is None


async def test_addresses_with_and_without_tls_are_told_apart(server_pair: KeyPair) -> None:
    authenticator = SpiffeOrToken()
    tls = ServerOptions(tls=Tls(lambda: Certificates(server_pair.pem, server_pair.key_pem)))
    async with serving(authenticator=authenticator) as rig:
        rig.cache.set("all", [made(CLUSTER, "a")])
        secure = await rig.server.start("localhost:0", tls)
        credentials = grpc.ssl_channel_credentials(server_pair.pem)
        async with connected(rig) as plain, grpc.aio.secure_channel(f"localhost:{secure}", credentials) as encrypted:
            for channel in (plain, encrypted):
                client = WireClient(channel)
                await client.ask(CLUSTER)
                assert (await client.hear()).names == ["a"]
            await rig.server.stop(0.1)
    assert [peer.is_encrypted for peer in authenticator.peers] == [False, True]


async def test_case_30_a_a_certificate_binds_to_its_namespace(
    authority: KeyPair, server_pair: KeyPair, client_pair: KeyPair
) -> None:
    authenticator = SpiffeOrToken()
    tls = Tls(
        lambda: Certificates(server_pair.pem, server_pair.key_pem, authority.pem), require_client_certificate=True
    )
    async with serving(options=ServerOptions(tls=tls), authenticator=authenticator) as rig:
        rig.cache.set("all", [made(CLUSTER, "a")])
        credentials = grpc.ssl_channel_credentials(authority.pem, client_pair.key_pem, client_pair.pem)
        async with connected(rig, credentials) as channel:
            client = WireClient(channel)
            await client.ask(CLUSTER, node=Node(id="shop"))
            assert (await client.hear()).names == ["a"]
            assert rig.client.identity == Identity(WEB)
        peer, *_ = authenticator.peers
        assert peer.is_encrypted
        assert peer.certificate is not None
        assert x509.load_pem_x509_certificate(peer.certificate) == client_pair.certificate
        async with connected(rig, credentials) as channel:
            stranger = WireClient(channel)
            await stranger.ask(CLUSTER, node=Node(id="bank"))
            assert (await stranger.end())[0] is grpc.StatusCode.PERMISSION_DENIED
        async with connected(rig, grpc.ssl_channel_credentials(authority.pem)) as channel:
            nameless = WireClient(channel)
            assert (await nameless.end())[0] is grpc.StatusCode.UNAVAILABLE


async def test_certificates_rotate_for_new_connections(authority: KeyPair, server_pair: KeyPair) -> None:
    other_authority = issue("other-ca", [])
    other_pair = issue("server", [x509.DNSName("localhost")], other_authority)
    current = [server_pair]
    tls = Tls(lambda: Certificates(current[0].pem, current[0].key_pem))
    async with serving(options=ServerOptions(tls=tls)) as rig, AsyncExitStack() as channels:
        first = connected(rig, grpc.ssl_channel_credentials(authority.pem))
        before = WireClient(await channels.enter_async_context(first))
        await before.ask(CLUSTER)
        await before.hear()
        current[0] = other_pair
        second = connected(rig, grpc.ssl_channel_credentials(other_authority.pem))
        after = WireClient(await channels.enter_async_context(second))
        await after.ask(CLUSTER)
        await after.hear()
        rig.cache.update("all", [made(CLUSTER, "a")])
        assert (await before.hear()).names == ["a"]


async def test_the_status_of_others_is_not_for_everybody() -> None:
    async with serving(authenticator=SpiffeOrToken()) as rig, connected(rig) as channel:
        fetch: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH_STATUS)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await fetch(b"")
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert await fetch(b"", metadata=(("authorization", "Bearer good"),)) == b""
