"""Verification of bearer tokens by known keys."""

import json
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fairlead.authentication.token import ServiceAccount, TokenRefusedError, service_account

# Kubernetes: what service account tokens are signed with. Nothing symmetric: the keys here are public.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA")
_LEEWAY: Final = 30


class KeysError(Exception):
    """Keys for tokens cannot be used; the text says why."""


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


def _account_of(claims: dict[str, Any]) -> ServiceAccount:
    """Kubernetes: a bound token also names its pod."""
    bound = claims.get("kubernetes.io")
    pod = bound.get("pod") if isinstance(bound, dict) else None
    return service_account(str(claims["sub"]), str(pod.get("name", "")) if isinstance(pod, dict) else "")
