"""Who gets a certificate of the mesh, over real streams, and who gets nothing of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import yaml
from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from fairlead.address import Address
from fairlead.ca.authority import Authority
from fairlead.ca.folder import open_authority
from fairlead.identity import ProxyIdentity
from fairlead.mesh.documents import StandInPod, pod_document
from fairlead.mesh.identities import MeshIdentities
from fairlead.settings import ServeSettings
from fairlead.trust_settings import TrustSettings
from tests.integration.serving import ANYWHERE, DeltaClient, Rig, identity, serve
from xds.types import SECRET

EVERYWHERE = Address("0.0.0.0", 0)  # noqa: S104 - that is the point
NAMES = ("default", "ROOTCA")


@asynccontextmanager
async def trusting(root: Path, xds: Address = ANYWHERE, **trust: object) -> AsyncIterator[Rig]:
    """Serve an empty folder with a CA beside it."""
    folder = root / "config"
    folder.mkdir(exist_ok=True)
    settings = TrustSettings(ca_dir=root / "ca", **trust)  # type: ignore[arg-type]  # of fields of several kinds
    async with serve(ServeSettings(config_dir=folder, xds=xds, admin=ANYWHERE, grace=0.2, trust=settings)) as rig:
        yield rig


async def certificate_of(client: DeltaClient, who: ProxyIdentity) -> x509.Certificate:
    """The certificate that a proxy gets, which verifies by the roots that it gets."""
    await client.introduce(who)
    await client.subscribe(SECRET, NAMES)
    await client.until(lambda: set(NAMES) <= client.resources.get(SECRET, {}).keys())
    found = {name: client.resources[SECRET][name].resource.value for name in NAMES}
    own = secret_pb2.Secret.FromString(found["default"]).tls_certificate
    roots = secret_pb2.Secret.FromString(found["ROOTCA"]).validation_context.trusted_ca.inline_bytes
    leaf = x509.load_pem_x509_certificates(own.certificate_chain.inline_bytes)[0]
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificates(roots)[0])
    assert b"PRIVATE KEY" in own.private_key.inline_bytes
    return leaf


def uri(certificate: x509.Certificate) -> str:
    """Whose it is."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


async def test_on_this_machine_proxies_are_who_they_say_unless_their_pod_says_otherwise(tmp_path: Path) -> None:
    pod = pod_document(StandInPod("web-1", "shop", "127.9.9.8", service_account="web"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "pod.yaml").write_text(yaml.safe_dump(pod))
    async with trusting(tmp_path) as rig:
        for who, account in (
            (identity(service_account="own"), "default/sa/own"),
            (identity("web-1", "shop"), "shop/sa/web"),
        ):
            async with DeltaClient(rig.plane.xds_address) as client:
                assert uri(await certificate_of(client, who)) == f"spiffe://cluster.local/ns/{account}"


async def test_two_replicas_share_a_view_and_no_key(tmp_path: Path) -> None:
    async with (
        trusting(tmp_path) as rig,
        DeltaClient(rig.plane.xds_address) as one,
        DeltaClient(rig.plane.xds_address) as other,
    ):
        first = await certificate_of(one, identity("a"))
        second = await certificate_of(other, identity("b"))
        assert first.public_key() != second.public_key()
        assert len(tuple(rig.plane.translator.views)) == 1


async def test_where_others_reach_the_port_nobody_is_believed(tmp_path: Path) -> None:
    async with trusting(tmp_path, EVERYWHERE) as rig:
        address = Address("127.0.0.1", rig.plane.xds_address.port)
        async with DeltaClient(address) as client:
            await client.introduce(identity())
            await client.hear()
            await client.subscribe(SECRET, NAMES)
            answer = await client.hear()
            assert set(answer.removed_resources) == set(NAMES)
        (view,) = rig.plane.translator.views or (None,)
        assert view is None or not view.key.has_identity


async def test_cases_58_and_59_tokens_decide(tmp_path: Path) -> None:
    pods = MeshIdentities(tmp_path / "pods")
    async with trusting(tmp_path, EVERYWHERE, tls=True, jwks=tmp_path / "pods" / "jwks.json") as rig:
        roots, address = (tmp_path / "ca" / "root-cert.pem").read_bytes(), rig.plane.xds_address

        def bearing(token: str) -> DeltaClient:
            metadata = (("authorization", f"Bearer {token}"),) if token else ()
            return DeltaClient(address, grpc.ssl_channel_credentials(roots), metadata)

        web = identity("web-1", "shop", service_account="web")
        async with bearing(pods.token("shop", "web", pod="web-1")) as client:
            assert uri(await certificate_of(client, web)) == "spiffe://cluster.local/ns/shop/sa/web"
        async with bearing(pods.token("bank", "web")) as client:
            assert await client.refusal(web) is grpc.StatusCode.PERMISSION_DENIED
        async with bearing(pods.token("shop", "web", audience="other")) as client:
            assert await client.refusal(web) is grpc.StatusCode.UNAUTHENTICATED
        async with bearing("") as client:
            assert await client.refusal(web) is grpc.StatusCode.UNAUTHENTICATED
        assert "eyJ" not in str(rig.logs)


async def test_without_keys_certificates_of_the_mesh_decide(tmp_path: Path) -> None:
    authority, stranger = open_authority(tmp_path / "ca", "mesh"), open_authority(tmp_path / "foreign", "x")
    async with trusting(tmp_path, EVERYWHERE, tls=True) as rig:
        web = identity("web-1", "shop", service_account="web")

        def showing(name: str, signer: Authority = authority) -> DeltaClient:
            shown = signer.issue([name])
            return DeltaClient(
                rig.plane.xds_address, grpc.ssl_channel_credentials(authority.roots, shown.key, shown.chain)
            )

        async with showing("spiffe://cluster.local/ns/shop/sa/web") as client:
            assert uri(await certificate_of(client, web)) == "spiffe://cluster.local/ns/shop/sa/web"
        async with showing("spiffe://cluster.local/ns/bank/sa/web") as client:
            assert await client.refusal(web) is grpc.StatusCode.PERMISSION_DENIED
        async with showing("spiffe://foreign/ns/shop/sa/web") as client:
            assert await client.refusal(web) is grpc.StatusCode.UNAUTHENTICATED
        async with showing("spiffe://cluster.local/ns/shop/sa/web", stranger) as client:
            assert await client.refusal(web) is grpc.StatusCode.UNAVAILABLE
