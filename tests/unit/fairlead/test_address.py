"""HOST:PORT as people write it."""

import pytest

from fairlead.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:15010", "127.0.0.1", 15010),
        ("fairlead.mesh:0", "fairlead.mesh", 0),
        ("[::1]:80", "::1", 80),
        (":15010", "0.0.0.0", 15010),  # noqa: S104 - what is asked for
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == (host, port)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:http", "host:65536", "host:-1", "::1:80", "host:²"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not HOST:PORT|in brackets"):
        Address.parse(text)


def test_text_and_ip() -> None:
    assert str(Address("::1", 80)) == "[::1]:80"
    assert str(Address("host", 80)) == "host:80"
    assert Address("::1", 80).is_ip
    assert not Address("localhost", 80).is_ip
