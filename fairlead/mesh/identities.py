"""Identities for stand-in pods: the keys and tokens that Kubernetes would give them, and what serve and Envoys need."""

import itertools
import json
import time
from pathlib import Path
from typing import Final

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from fairlead.bootstrap_tls import ControlPlaneTLS, build_token_secret
from fairlead.identity import ProxyIdentity

_AUDIENCE: Final = "istio-ca"
_VALID: Final = 3600


class MeshIdentities:
    """A CA for a mesh, and tokens for its pods, in a folder of its own."""

    def __init__(self, folder: Path, lifetime: str = "24h") -> None:
        """``lifetime`` is that of the certificates of proxies. The CA is made by the control plane."""
        self.ca_dir = folder / "ca"
        self._folder = folder
        self._lifetime = lifetime
        self._numbers = itertools.count(1)
        self._key = ECKey.generate_key("P-256", {"kid": "pods"})
        folder.mkdir(parents=True, exist_ok=True)
        self._jwks = folder / "jwks.json"
        self._jwks.write_text(json.dumps(KeySet([self._key]).as_dict(private=False)))

    @property
    def arguments(self) -> tuple[str, ...]:
        """What ``fairlead serve`` is told."""
        trust = ("--ca-dir", str(self.ca_dir), "--certificate-lifetime", self._lifetime)
        return (*trust, "--tls", "--jwks", str(self._jwks))

    def token(self, namespace: str, account: str, *, pod: str = "", audience: str = _AUDIENCE) -> str:
        """A token as Kubernetes projects it into a pod."""
        claims = {
            "sub": f"system:serviceaccount:{namespace}:{account}",
            "aud": [audience],
            "exp": int(time.time()) + _VALID,
            "kubernetes.io": {"namespace": namespace, "pod": {"name": pod}} if pod else {"namespace": namespace},
        }
        return jwt.encode({"alg": "ES256", "kid": "pods"}, claims, self._key)

    def control_plane_tls(self, identity: ProxyIdentity) -> ControlPlaneTLS:
        """How a proxy connects to the control plane: with the token of its own service account."""
        home = self._folder / f"{identity.name}.{identity.namespace}-{next(self._numbers)}"
        home.mkdir()
        token = home / "token"
        token.write_text(self.token(identity.namespace, identity.service_account, pod=identity.name))
        secret = home / "token-sds.json"
        secret.write_text(json.dumps(build_token_secret(str(token))))
        return ControlPlaneTLS(roots=str(self.ca_dir / "root-cert.pem"), name="localhost", token_secret=str(secret))
