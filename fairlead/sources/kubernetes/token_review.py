"""Asks the API server whose token it is."""

from typing import Any

import msgspec

from fairlead.authentication.token import ServiceAccount, TokenRefusedError, service_account
from fairlead.sources.kubernetes.access import AccessError
from fairlead.sources.kubernetes.connection import ApiConnection, ApiError

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
# Kubernetes: where a review names the pod that a token is bound to.
_POD = "authentication.kubernetes.io/pod-name"


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    extra: dict[str, tuple[str, ...]] = {}


class _Verdict(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()
    audiences: tuple[str, ...] = ()
    error: str = ""


class _Review(msgspec.Struct, frozen=True):
    status: _Verdict = _Verdict()


class TokenReviewer:
    """Verifies tokens for an audience by TokenReview: the API server knows its keys, and which tokens are revoked."""

    def __init__(self, connection: ApiConnection, audience: str) -> None:
        self._connection = connection
        self._audience = audience

    async def verify(self, token: str) -> ServiceAccount:
        """See ``TokenVerifier.verify``."""
        body: dict[str, Any] = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
        }
        try:
            verdict = msgspec.json.decode(await self._connection.send("POST", _PATH, body=body), type=_Review).status
        except (ApiError, AccessError, msgspec.DecodeError) as error:
            raise TokenRefusedError(f"the API server does not say whose token it is: {error}") from error
        # An API server that knows no audiences answers without any: then the token was not made for this one.
        if not verdict.authenticated or self._audience not in verdict.audiences:
            raise TokenRefusedError(f"the token is not valid: {verdict.error or 'it is for another audience'}")
        pods = verdict.user.extra.get(_POD, ())
        return service_account(verdict.user.username, pods[0] if pods else "")
