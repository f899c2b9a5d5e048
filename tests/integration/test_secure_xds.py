"""One control plane on two addresses: anonymous proxies in plain text, and over TLS those that prove who they are."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import grpc.aio
import pytest
import yaml
from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from fairlead.address import Address
from fairlead.app import ListenError
from fairlead.ca.folder import open_authority
from fairlead.identity import ProxyIdentity
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.identities import MeshIdentities
from fairlead.settings import KubernetesSettings, ServeSettings
from fairlead.sources.kubernetes.access import KubeconfigAccess
from fairlead.trust_settings import TrustSettings
from tests.certificates import issue
from tests.integration.clusters import cluster
from tests.integration.serving import ANYWHERE, DeltaClient, Rig, identity, serve
from translator.model.proxy import Role
from xds.status import FETCH_STATUS
from xds.types import LISTENER, SECRET

EVERYWHERE = Address("0.0.0.0", 0)  # noqa: S104 - that is the point
WEB_SECRET = "kubernetes://web"
OWN = ("default", "ROOTCA")
CLIENTS = 12
MESH = """
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {clusterIP: 10.96.0.2, selector: {istio: ingressgateway}, ports: [{name: https, port: 443, targetPort: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [web.example.com]
    tls: {mode: SIMPLE, credentialName: web}
"""
GATEWAY = identity(
    "gw-1", "istio-system", role=Role.GATEWAY, labels={"istio": "ingressgateway"}, service_account="gateway"
)


def web_secret() -> str:
    """The Secret with the certificate of the gateway, as YAML."""
    pair = issue("web.example.com", [x509.DNSName("web.example.com")])
    data = {"tls.crt": base64.b64encode(pair.pem).decode(), "tls.key": base64.b64encode(pair.key_pem).decode()}
    metadata = {"name": "web", "namespace": "istio-system"}
    document = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}
    return yaml.safe_dump(document)


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    """A folder with a gateway that serves TLS."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "mesh.yaml").write_text(MESH)
    (folder / "secret.yaml").write_text(web_secret())
    return folder


@pytest.fixture
def pods(tmp_path: Path) -> MeshIdentities:
    """Who has tokens."""
    return MeshIdentities(tmp_path / "pods")


@pytest.fixture
async def rig(mesh: Path, tmp_path: Path, pods: MeshIdentities) -> AsyncIterator[Rig]:
    """Both addresses are reached by other machines; tokens are verified by keys. Without Secrets in plain text."""
    trust = TrustSettings(ca_dir=pods.ca_dir, jwks=tmp_path / "pods" / "jwks.json")
    async with two_addresses(mesh, trust) as rig:
        yield rig


@asynccontextmanager
async def two_addresses(mesh: Path, trust: TrustSettings, xds: Address = EVERYWHERE) -> AsyncIterator[Rig]:
    """Serve a folder in plain text and over TLS."""
    settings = ServeSettings(config_dir=mesh, xds=xds, secure_xds=EVERYWHERE, admin=ANYWHERE, grace=0.2, trust=trust)
    async with serve(settings) as rig:
        yield rig


def plain(rig: Rig, token: str = "") -> DeltaClient:
    """A client of the address without TLS."""
    return DeltaClient(Address("127.0.0.1", rig.plane.xds_address.port), None, bearing(token))


def secure(rig: Rig, roots: Path, token: str = "") -> DeltaClient:
    """A client of the address with TLS."""
    assert rig.plane.secure_address is not None
    credentials = grpc.ssl_channel_credentials((roots / "root-cert.pem").read_bytes())
    return DeltaClient(rig.plane.secure_address, credentials, bearing(token))


def bearing(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),) if token else ()


async def gets_listeners_but_no_secrets(client: DeltaClient, who: ProxyIdentity = GATEWAY) -> None:
    """What becomes of an anonymous gateway."""
    await client.introduce(who)
    await client.hear()
    await client.subscribe(LISTENER)
    await client.until(lambda: any(b"web.example.com" in each for each in bodies(client)))
    await client.subscribe(SECRET, (WEB_SECRET, *OWN))
    answer = await client.hear()
    assert answer.type_url == SECRET
    assert (set(answer.removed_resources), list(answer.resources)) == ({WEB_SECRET, *OWN}, [])


async def gets_secrets(client: DeltaClient, who: ProxyIdentity = GATEWAY) -> None:
    """What becomes of a gateway that is believed: the certificate of its host, and one of its own."""
    await client.introduce(who)
    await client.subscribe(SECRET, (WEB_SECRET, *OWN))
    await client.until(lambda: {WEB_SECRET, *OWN} <= client.resources.get(SECRET, {}).keys())
    for name in (WEB_SECRET, "default"):
        own = secret_pb2.Secret.FromString(client.resources[SECRET][name].resource.value).tls_certificate
        assert b"PRIVATE KEY" in own.private_key.inline_bytes


def bodies(client: DeltaClient) -> list[bytes]:
    """The listeners that a client was sent."""
    return [each.resource.value for each in client.resources.get(LISTENER, {}).values()]


async def test_in_plain_text_nobody_gets_secrets_whatever_he_shows(rig: Rig, pods: MeshIdentities) -> None:
    for token in ("", pods.token("istio-system", "gateway", pod="gw-1"), "nonsense"):
        async with plain(rig, token) as client:
            await gets_listeners_but_no_secrets(client)
    (view,) = rig.plane.translator.views
    assert not view.key.has_identity


async def test_over_tls_who_proves_who_he_is_gets_them(rig: Rig, pods: MeshIdentities) -> None:
    async with (
        secure(rig, pods.ca_dir, pods.token("istio-system", "gateway", pod="gw-1")) as client,
        plain(rig) as stranger,
    ):
        await gets_secrets(client)
        # Beside it, under its very name, somebody who proves nothing.
        await gets_listeners_but_no_secrets(stranger)
        assert {view.key.has_identity for view in rig.plane.translator.views} == {True, False}
    assert not [entry for entry in rig.logs if entry["event"] == "serve.secrets.withheld"]


async def test_over_tls_nobody_is_anonymous(rig: Rig, pods: MeshIdentities) -> None:
    for token, code in (
        ("", grpc.StatusCode.UNAUTHENTICATED),
        (pods.token("istio-system", "gateway", audience="other"), grpc.StatusCode.UNAUTHENTICATED),
        (pods.token("shop", "gateway"), grpc.StatusCode.PERMISSION_DENIED),
        (pods.token("istio-system", "other"), grpc.StatusCode.PERMISSION_DENIED),
    ):
        async with secure(rig, pods.ca_dir, token) as client:
            assert await client.refusal(GATEWAY) is code


async def test_the_state_of_others_is_shown_to_nobody(rig: Rig) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{rig.plane.xds_address.port}") as channel:
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH_STATUS)
        with pytest.raises(grpc.aio.AioRpcError, match="not shown here"):
            await ask(b"")


async def test_a_secret_that_changes_goes_to_those_that_proved_who_they_are_alone(
    rig: Rig, pods: MeshIdentities, mesh: Path
) -> None:
    async with (
        secure(rig, pods.ca_dir, pods.token("istio-system", "gateway")) as client,
        plain(rig) as stranger,
    ):
        await gets_secrets(client)
        await gets_listeners_but_no_secrets(stranger)
        before = client.resources[SECRET][WEB_SECRET].version
        (mesh / "secret.yaml").write_text(web_secret())
        await client.until(lambda: client.resources[SECRET][WEB_SECRET].version != before)
        # The next that both are sent: had the Secret come to the stranger, it had come before.
        (mesh / "mesh.yaml").write_text(MESH.replace("web.example.com", "new.example.com"))
        await stranger.until(lambda: any(b"new.example.com" in each for each in bodies(stranger)))
        assert not stranger.resources.get(SECRET)


async def test_certificates_of_the_mesh_prove_it_where_there_are_no_tokens(mesh: Path, tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "ca", "mesh")
    shown = authority.issue(["spiffe://cluster.local/ns/istio-system/sa/gateway"])
    async with two_addresses(mesh, TrustSettings(ca_dir=tmp_path / "ca")) as rig:
        assert rig.plane.secure_address is not None
        credentials = grpc.ssl_channel_credentials(authority.roots, shown.key, shown.chain)
        async with DeltaClient(rig.plane.secure_address, credentials) as client:
            await gets_secrets(client)
        async with plain(rig) as client:
            await gets_listeners_but_no_secrets(client)


async def test_on_this_machine_plain_text_is_believed_as_ever(mesh: Path, tmp_path: Path) -> None:
    trust = TrustSettings(ca_dir=tmp_path / "ca")
    async with two_addresses(mesh, trust, ANYWHERE) as rig, DeltaClient(rig.plane.xds_address) as client:
        await gets_secrets(client)


async def test_an_api_server_says_whose_token_it_is(tmp_path: Path) -> None:
    async with cluster(MESH, web_secret()) as server:
        access = KubeconfigAccess(path=str(server.write_kubeconfig(tmp_path / "config")))
        settings = ServeSettings(
            kubernetes=KubernetesSettings(primary=access, writes_status=False),
            xds=EVERYWHERE,
            secure_xds=EVERYWHERE,
            admin=ANYWHERE,
            grace=0.2,
            trust=TrustSettings(ca_dir=tmp_path / "ca"),
        )
        tokens = partial(server.tokens.issue, "istio-system", pod="gw-1")
        async with serve(settings) as rig:
            async with secure(rig, tmp_path / "ca", tokens("gateway", audiences=("istio-ca",))) as client:
                await gets_secrets(client)
            async with secure(rig, tmp_path / "ca", tokens("gateway")) as client:
                assert await client.refusal(GATEWAY) is grpc.StatusCode.UNAUTHENTICATED
            async with plain(rig, tokens("gateway", audiences=("istio-ca",))) as client:
                await gets_listeners_but_no_secrets(client)


async def test_without_an_optional_ca_there_is_plain_text_alone(mesh: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    # Kubernetes: how an optional Secret that is missing looks like.
    (folder / "..2026").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026")
    trust = TrustSettings(ca_dir=folder, ca_optional=True)
    async with two_addresses(mesh, trust) as rig:
        assert rig.plane.secure_address is None
        await rig.logged("serve.secure.off", reason=f"there is no CA in {folder}")
        await rig.logged("serve.secrets.withheld")
        async with plain(rig) as client:
            await gets_listeners_but_no_secrets(client)
    assert {entry.name for entry in folder.iterdir()} == {"..2026", "..data"}


async def test_a_second_address_that_is_taken_is_told(rig: Rig, mesh: Path, tmp_path: Path) -> None:
    assert rig.plane.secure_address is not None
    trust = TrustSettings(ca_dir=tmp_path / "ca")
    settings = ServeSettings(
        config_dir=mesh, xds=ANYWHERE, secure_xds=rig.plane.secure_address, admin=ANYWHERE, trust=trust
    )
    with pytest.raises(ListenError, match=str(rig.plane.secure_address)):
        async with serve(settings):
            pass


async def test_workers_share_both_ports(mesh: Path, tmp_path: Path, pods: MeshIdentities) -> None:
    with Addresses() as addresses:
        ip = addresses.ip()
        listening = (str(Address("0.0.0.0", addresses.port())), str(Address(ip, 15014)))  # noqa: S104
        address = Address(ip, 15012)
        trust = ("--ca-dir", str(pods.ca_dir), "--jwks", str(tmp_path / "pods" / "jwks.json"))
        arguments = (*trust, "--secure-xds", str(address), "--workers", "2")
        async with (
            ControlPlaneProcess(mesh, listening, tmp_path / "plane.log", *arguments) as plane,
            AsyncExitStack() as stack,
        ):
            credentials = grpc.ssl_channel_credentials((pods.ca_dir / "root-cert.pem").read_bytes())
            token = bearing(pods.token("istio-system", "gateway"))
            for _ in range(CLIENTS):
                client = DeltaClient(address, credentials, token)
                await gets_secrets(await stack.enter_async_context(client))
            assert {proxy["worker"] for proxy in await plane.debug("proxies")} == {1, 2}
            async with DeltaClient(Address("127.0.0.1", Address.parse(plane.xds).port)) as client:
                await gets_listeners_but_no_secrets(client)
