"""Secrets: what they give away, and what not."""

from translator.objects.core import Secret
from translator.objects.meta import Metadata

METADATA = Metadata(name="cert", namespace="shop")


def test_key_material_never_prints() -> None:
    secret = Secret(metadata=METADATA, data={"tls.key": b"private"}, string_data={"tls.crt": "public"})

    for text in (repr(secret), str(secret), f"{secret}"):
        assert "private" not in text
        assert "public" not in text
        assert "shop/cert" in text
        assert "tls.key" in text


def test_plain_text_wins_over_encoded_data() -> None:
    secret = Secret(metadata=METADATA, data={"a": b"old", "b": b"kept"}, string_data={"a": "new"})

    assert (secret.value("a"), secret.value("b"), secret.value("c")) == (b"new", b"kept", None)
