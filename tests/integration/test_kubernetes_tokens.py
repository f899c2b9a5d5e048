"""Whose token it is, by the word of an API server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.authentication.token import ServiceAccount, TokenRefusedError
from fairlead.sources.kubernetes.access import KubeconfigAccess
from fairlead.sources.kubernetes.connection import ApiConnection
from fairlead.sources.kubernetes.token_review import TokenReviewer
from tests.apiserver.server import ApiServer

AUDIENCE = "istio-ca"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as server:
        yield server


@pytest.fixture
async def reviewer(server: ApiServer, tmp_path: Path) -> AsyncIterator[TokenReviewer]:
    connection = ApiConnection(KubeconfigAccess(path=str(server.write_kubeconfig(tmp_path / "config"))))
    yield TokenReviewer(connection, AUDIENCE)
    await connection.close()


async def test_a_bound_token_names_account_and_pod(server: ApiServer, reviewer: TokenReviewer) -> None:
    token = server.tokens.issue("shop", "cart", audiences=(AUDIENCE,), pod="cart-1")
    assert await reviewer.verify(token) == ServiceAccount("shop", "cart", "cart-1")


async def test_a_revoked_token_is_refused(server: ApiServer, reviewer: TokenReviewer) -> None:
    token = server.tokens.issue("shop", "cart", audiences=(AUDIENCE,))
    server.tokens.revoke(token)
    with pytest.raises(TokenRefusedError, match="not valid"):
        await reviewer.verify(token)


async def test_a_token_for_somebody_else_is_refused(server: ApiServer, reviewer: TokenReviewer) -> None:
    with pytest.raises(TokenRefusedError, match="audience"):
        await reviewer.verify(server.tokens.issue("shop", "cart"))


async def test_nobody_is_believed_while_the_api_server_is_away(server: ApiServer, reviewer: TokenReviewer) -> None:
    token = server.tokens.issue("shop", "cart", audiences=(AUDIENCE,))
    await server.kill()
    with pytest.raises(TokenRefusedError, match="does not say"):
        await reviewer.verify(token)
