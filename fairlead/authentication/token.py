"""Bearer tokens: the interface of whoever verifies them, and verification by known keys."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

# Kubernetes: what service account tokens are signed with. Nothing symmetric: the keys here are public.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA")
_SUBJECT: Final = "system:serviceaccount:"
_LEEWAY: Final = 30


class TokenRefusedError(Exception):
    """A token is not accepted; the text says why, for the log of the control plane, and never holds the token."""


class KeysError(Exception):
    """Keys for tokens cannot be used; the text says why."""


class ServiceAccount(NamedTuple):
    """Whom a token was made for; ``pod`` is the name of the pod that it is bound to, empty if to none."""

    namespace: str
    name: str
    pod: str = ""


class TokenVerifier(Protocol):
    """Says whose token it is. Implementations may ask somebody else, such as the Kubernetes API."""

    async def verify(self, token: str) -> ServiceAccount:
        """The service account that the token was made for. Raises TokenRefusedError."""


class KeySetVerifier:
    """Verifies tokens in the form of Kubernetes' service account tokens by public keys."""

    def __init__(self, keys: KeySet, audience: str) -> None:
        """Accept tokens for an audience."""
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def verify(self, token: str) -> ServiceAccount:
        """See ``TokenVerifier.verify``."""
        try:
            claims = jwt.decode(token, self._keys, algorithms=list(_ALGORITHMS)).claims
            self._claims.validate(claims)
        except (JoseError, ValueError) as error:
            reason = error.description if isinstance(error, JoseError) and error.description else "it cannot be read"
            raise TokenRefusedError(f"the token is not valid: {reason}") from None
        return _account_of(claims)


def load_key_set(path: Path) -> KeySet:
    """The keys in a JWKS file. Raises KeysError."""
    try:
        return KeySet.import_key_set(json.loads(path.read_bytes()))
    except OSError as error:
        raise KeysError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise KeysError(f"{path} is no JSON Web Key Set") from None


def service_account(subject: str, pod: str = "") -> ServiceAccount:
    """Kubernetes: a token's subject is ``system:serviceaccount:NAMESPACE:NAME``. Raises TokenRefusedError."""
    namespace, colon, account = subject.removeprefix(_SUBJECT).partition(":")
    if not subject.startswith(_SUBJECT) or not (namespace and colon and account):
        raise TokenRefusedError(f"the token is for {subject!r}, which is no service account")
    return ServiceAccount(namespace, account, pod)


def _account_of(claims: dict[str, Any]) -> ServiceAccount:
    """Kubernetes: a bound token also names its pod."""
    bound = claims.get("kubernetes.io")
    pod = bound.get("pod") if isinstance(bound, dict) else None
    return service_account(str(claims["sub"]), str(pod.get("name", "")) if isinstance(pod, dict) else "")
