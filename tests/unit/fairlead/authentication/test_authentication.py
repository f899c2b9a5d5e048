"""Who is admitted, and for which proxies."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from google.protobuf.json_format import ParseDict
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from fairlead.authentication.authenticator import MeshAuthenticator
from fairlead.authentication.key_set import KeysError, KeySetVerifier, load_key_set
from fairlead.authentication.principal import Principal, parse_spiffe_id, principal
from fairlead.authentication.token import ServiceAccount, TokenRefusedError
from translator.objects.mesh_config import MeshConfig
from xds.auth import Identity, Peer
from xds.errors import Code, StreamRejected
from xds.node import Node

KEY = ECKey.generate_key("P-256", {"kid": "a"})
WEB = "spiffe://cluster.local/ns/shop/sa/web"
CLAIMS = {"sub": "system:serviceaccount:shop:web", "aud": ["istio-ca"], "exp": int(time.time()) + 600}


def token(key: ECKey | OctKey = KEY, algorithm: str = "ES256", **claims: object) -> str:
    """A signed token."""
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": "a"}, merged, key, algorithms=[algorithm])


def verifier() -> KeySetVerifier:
    return KeySetVerifier(KeySet.import_key_set(KeySet([KEY]).as_dict(private=False)), "istio-ca")


def node(namespace: str = "shop", name: str = "web-1", **metadata: str) -> Node:
    message = ParseDict(
        {"id": f"sidecar~10.0.0.1~{name}.{namespace}~{namespace}.svc.cluster.local", "metadata": metadata},
        base_pb2.Node(),
    )
    return Node.of(message)


def peer(*names: str, encrypted: bool = True, **metadata: str) -> Peer:
    return Peer("ipv4:1.2.3.4:5", metadata, b"pem" if names else None, names, encrypted)


def authenticator(**mesh: str | tuple[str, ...]) -> MeshAuthenticator:
    return MeshAuthenticator(lambda: MeshConfig(**mesh), verifier())  # type: ignore[arg-type]  # of fields of two kinds


async def test_tokens_of_service_accounts_are_accepted() -> None:
    assert await verifier().verify(token()) == ServiceAccount("shop", "web")
    bound: dict[str, Any] = {"kubernetes.io": {"pod": {"name": "web-1", "uid": "u"}}}
    assert await verifier().verify(token(**bound)) == ServiceAccount("shop", "web", "web-1")


@pytest.mark.parametrize(
    "text",
    [
        token(aud=["other"]),
        token(aud=None),
        token(exp=int(time.time()) - 60),
        token(exp=None),
        token(sub="somebody"),
        token(sub="system:serviceaccount:shop"),
        token(ECKey.generate_key("P-256", {"kid": "a"})),
        token(OctKey.import_key(b"x" * 32), "HS256"),
        token()[:-2],
        "nonsense",
        "",
    ],
)
async def test_case_58_other_tokens_are_not(text: str) -> None:
    with pytest.raises(TokenRefusedError) as raised:
        await verifier().verify(text)
    assert not text or text not in str(raised.value)


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    assert len(load_key_set(path).keys) == 1
    for text in ("", "[]", '{"keys": [{"kty": "RSA"}]}', "{}"):
        path.write_text(text)
        with pytest.raises(KeysError, match="no JSON Web Key Set"):
            load_key_set(path)
    with pytest.raises(KeysError, match="cannot be read"):
        load_key_set(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WEB, ("cluster.local", "shop", "web")),
        ("spiffe://td/ns/a/sa/b", ("td", "a", "b")),
        ("spiffe://td/ns/a/sa", None),
        ("spiffe://td/ns/a/sa/b/c", None),
        ("spiffe://td/x/a/sa/b", None),
        ("spiffe:///ns/a/sa/b", None),
        ("https://td/ns/a/sa/b", None),
    ],
)
def test_spiffe_ids(text: str, expected: tuple[str, str, str] | None) -> None:
    found = parse_spiffe_id(text)
    assert (found and (found[0], found[1].namespace, found[1].service_account)) == expected


def test_a_trust_domain_with_an_at_sign() -> None:
    assert principal("a@b", "n", "s").name == "spiffe://a.b/ns/n/sa/s"


async def test_certificates_of_the_mesh_are_accepted() -> None:
    assert await authenticator().authenticate(peer(WEB, "web.example.com")) == Principal(WEB, "shop", "web")
    aliased = authenticator(trust_domain="new", trust_domain_aliases=("cluster.local",))
    assert await aliased.authenticate(peer(WEB)) == Principal(WEB, "shop", "web")


async def test_without_tls_proxies_are_anonymous_where_that_is_allowed() -> None:
    lenient = MeshAuthenticator(MeshConfig, verifier(), admits_anonymous=True)
    assert await lenient.authenticate(peer(encrypted=False, authorization=f"Bearer {token()}")) is None
    lenient.authorize(None, node())
    with pytest.raises(StreamRejected) as raised:
        await lenient.authenticate(peer())
    assert raised.value.code is Code.UNAUTHENTICATED
    with pytest.raises(StreamRejected):
        lenient.authorize(principal("cluster.local", "bank", "web"), node())


@pytest.mark.parametrize(
    "caller",
    [
        peer(),
        peer("web.example.com"),
        peer(WEB, WEB.replace("web", "other")),
        peer("spiffe://foreign/ns/shop/sa/web"),
        peer(authorization="Basic eDp5"),
        peer(authorization="Bearer nonsense"),
        peer(encrypted=False, authorization=f"Bearer {token()}"),
    ],
)
async def test_case_58_nobody_else_is_admitted(caller: Peer) -> None:
    with pytest.raises(StreamRejected) as raised:
        await authenticator().authenticate(caller)
    assert raised.value.code is Code.UNAUTHENTICATED
    assert "audience" not in raised.value.message


async def test_a_token_in_the_right_place_is_an_identity() -> None:
    found = await authenticator(trust_domain="td").authenticate(peer(authorization=f"bearer {token()}"))
    assert found == principal("td", "shop", "web")


@pytest.mark.parametrize(
    "said",
    [node("bank"), node(NAMESPACE="bank"), node(SERVICE_ACCOUNT="admin"), node(name="web-2")],
)
def test_case_59_a_proxy_speaks_for_itself_alone(said: Node) -> None:
    with pytest.raises(StreamRejected) as raised:
        authenticator().authorize(principal("td", "shop", "web", "web-1"), said)
    assert raised.value.code is Code.PERMISSION_DENIED


def test_a_proxy_that_says_the_truth_is_served() -> None:
    authenticator().authorize(principal("td", "shop", "web", "web-1"), node(SERVICE_ACCOUNT="web"))
    authenticator().authorize(principal("td", "shop", "web"), node(name="any"))


@pytest.mark.parametrize("identity", [None, Identity("somebody")])
def test_without_principal_nobody_is_served(identity: Identity | None) -> None:
    with pytest.raises(StreamRejected):
        authenticator().authorize(identity, node())


def test_a_node_that_cannot_be_read_is_the_client_s_fault() -> None:
    with pytest.raises(StreamRejected) as raised:
        authenticator().authorize(principal("td", "shop", "web"), Node(b"", "x", ""))
    assert raised.value.code is Code.INVALID_ARGUMENT


def test_proxies_do_not_read_about_others() -> None:
    with pytest.raises(StreamRejected) as raised:
        authenticator().authorize_reader(principal("td", "shop", "web"))
    assert raised.value.code is Code.PERMISSION_DENIED
