"""Who calls, and what they may do: tokens, client certificates, and the roles and bindings of RBAC."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tests.apiserver.calls import Call
from tests.apiserver.document import Document
from tests.apiserver.storage import Storage

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIENCE: Final = ISSUER
_HOUR: Final = 3600.0
_ACCOUNT: Final = "system:serviceaccount:"
_GROUP: Final = "rbac.authorization.k8s.io"
_ALL: Final = "*"
# Kubernetes: what system:discovery and system:basic-user allow to everybody who is known.
_OPEN_PATHS: Final = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz")
_OPEN_REVIEWS: Final = frozenset({"selfsubjectaccessreviews", "selfsubjectreviews"})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who calls."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def document(self) -> Document:
        """As it stands in reviews."""
        whole = {"username": self.name, "uid": self.uid, "groups": list(self.groups), "extra": dict(self.extra)}
        return {name: value for name, value in whole.items() if value}


ADMIN: Final = User("admin", ("system:masters", "system:authenticated"))


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token proves."""

    user: User
    audiences: tuple[str, ...]


class Tokens:
    """Signs the tokens of the cluster, and judges them."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256")
        self._revoked: set[str] = set()

    def issue(
        self,
        namespace: str,
        account: str,
        *,
        lifetime: float = _HOUR,
        audiences: Sequence[str] = (AUDIENCE,),
        pod: str = "",
    ) -> str:
        """A token of a service account."""
        issued = time.time()
        bound: Document = {"namespace": namespace, "serviceaccount": {"name": account, "uid": f"{namespace}-{account}"}}
        if pod:
            bound["pod"] = {"name": pod, "uid": f"{namespace}-{pod}"}
        claims = {
            "iss": ISSUER,
            "sub": f"{_ACCOUNT}{namespace}:{account}",
            "aud": list(audiences),
            "iat": issued,
            "exp": issued + lifetime,
            "kubernetes.io": bound,
        }
        return jwt.encode({"alg": "ES256"}, claims, self._key)

    def revoke(self, token: str) -> None:
        """Take a token no longer."""
        self._revoked.add(token)

    def verify(self, token: str) -> TokenClaims | None:
        """What a token proves; None when it is not ours, expired or revoked."""
        try:
            claims = jwt.decode(token, self._key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            return None
        if token in self._revoked or claims["exp"] <= time.time():
            return None
        return TokenClaims(_account(claims), tuple(claims["aud"]))


def user_of_certificate(certificate: Mapping[str, Any]) -> User:
    """The user of a verified certificate, as ``ssl`` shows it."""
    parts = [part for relative in certificate["subject"] for part in relative]
    names = [value for name, value in parts if name == "commonName"]
    groups = [value for name, value in parts if name == "organizationName"]
    return User(names[0], (*groups, "system:authenticated"))


class Rbac:
    """Judges by the roles and bindings in the storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def allows(self, user: User, call: Call) -> bool:
        """Whether a user may make a call."""
        if "system:masters" in user.groups:
            return True
        if call.group == "-":
            return call.resource == "/" or call.resource.startswith(_OPEN_PATHS)
        if call.verb == "create" and call.resource in _OPEN_REVIEWS:
            return True
        return any(_covers(rule, call) for rule in self._rules(user, call.namespace))

    def _rules(self, user: User, namespace: str) -> Iterator[Document]:
        for binding in self._storage.rows((_GROUP, "clusterrolebindings")):
            if _names(binding, user):
                yield from self._role(binding, "")
        if namespace:
            for binding in self._storage.rows((_GROUP, "rolebindings"), namespace):
                if _names(binding, user):
                    yield from self._role(binding, namespace)

    def _role(self, binding: Document, namespace: str) -> Iterable[Document]:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            role = self._storage.read((_GROUP, "clusterroles"), ("", reference["name"]))
        else:
            role = self._storage.read((_GROUP, "roles"), (namespace, reference["name"]))
        return (role or {}).get("rules") or ()


def _account(claims: Mapping[str, Any]) -> User:
    bound = claims["kubernetes.io"]
    namespace, account = bound["namespace"], bound["serviceaccount"]
    extra = {}
    if pod := bound.get("pod"):
        prefix = "authentication.kubernetes.io/pod-"
        extra = {f"{prefix}name": [pod["name"]], f"{prefix}uid": [pod["uid"]]}
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(claims["sub"], groups, account["uid"], extra)


def _names(binding: Document, user: User) -> bool:
    for subject in binding.get("subjects") or ():
        match subject["kind"]:
            case "ServiceAccount":
                namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
                named = user.name == f"{_ACCOUNT}{namespace}:{subject['name']}"
            case "Group":
                named = subject["name"] in user.groups
            case _:
                named = subject["name"] == user.name
        if named:
            return True
    return False


def _covers(rule: Document, call: Call) -> bool:
    names = rule.get("resourceNames") or ()
    # Kubernetes: a rule with names covers only what names an object; a list or watch does by its field selector.
    return (
        _has(rule.get("verbs"), call.verb)
        and _has(rule.get("apiGroups"), call.group)
        and _has(rule.get("resources"), call.resource)
        and (not names or call.name in names)
    )


def _has(listed: Sequence[str] | None, wanted: str) -> bool:
    return listed is not None and (_ALL in listed or wanted in listed)
