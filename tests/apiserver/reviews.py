"""Reviews: questions about tokens and rights, answered and not stored."""

from datetime import UTC, datetime, timedelta

from tests.apiserver.access import AUDIENCE, Rbac, Tokens, User
from tests.apiserver.calls import Call
from tests.apiserver.document import Document, find, metadata_of
from tests.apiserver.requests import Target


class Reviews:
    """Answers them."""

    def __init__(self, tokens: Tokens, rbac: Rbac, *, allow_all: bool) -> None:
        self._tokens = tokens
        self._rbac = rbac
        self._allow_all = allow_all

    def answer(self, target: Target, document: Document, user: User) -> Document | None:
        """The review with its status; None when the target takes no reviews."""
        match target.kind.kind, target.subresource:
            case "TokenReview", _:
                status = self._token(document)
            case "SelfSubjectReview", _:
                status = {"userInfo": user.document()}
            case "SubjectAccessReview" | "SelfSubjectAccessReview", _:
                status = self._access(document, user)
            case "ServiceAccount", "token":
                return self._issue(target, document)
            case _:
                return None
        return {"apiVersion": target.api_version, "kind": target.kind.kind, "metadata": {}} | {
            "spec": document.get("spec") or {},
            "status": status,
        }

    def _token(self, document: Document) -> Document:
        claims = self._tokens.verify(str(find(document, "spec.token") or ""))
        if claims is None:
            return {"authenticated": False, "error": "[invalid bearer token]"}
        wanted = find(document, "spec.audiences") or [AUDIENCE]
        audiences = [audience for audience in wanted if audience in claims.audiences]
        if not audiences:
            text = f"[invalid bearer token, token audiences {list(claims.audiences)} is invalid for {wanted}]"
            return {"authenticated": False, "error": text}
        return {"authenticated": True, "user": claims.user.document(), "audiences": audiences}

    def _access(self, document: Document, user: User) -> Document:
        spec = document.get("spec") or {}
        subject = user
        if document.get("kind") == "SubjectAccessReview":
            subject = User(spec.get("user") or "", tuple(spec.get("groups") or ()))
        asked = spec.get("resourceAttributes")
        if asked is None:
            path = spec.get("nonResourceAttributes") or {}
            call = Call(subject.name, path.get("verb", ""), "-", path.get("path", ""))
        else:
            parts = (asked.get("resource", ""), asked.get("subresource", ""))
            resource = "/".join(part for part in parts if part)
            place = (asked.get("namespace", ""), asked.get("name", ""))
            call = Call(subject.name, asked.get("verb", ""), asked.get("group", ""), resource, *place)
        allowed = self._allow_all or self._rbac.allows(subject, call)
        return {"allowed": allowed} | ({} if allowed else {"reason": "no rule allows it"})

    def _issue(self, target: Target, document: Document) -> Document:
        spec = document.get("spec") or {}
        lifetime = float(spec.get("expirationSeconds") or 3600)
        audiences = spec.get("audiences") or [AUDIENCE]
        token = self._tokens.issue(target.namespace, target.name, lifetime=lifetime, audiences=audiences)
        expires = (datetime.now(UTC) + timedelta(seconds=lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": target.name, "namespace": target.namespace} | metadata_of(document),
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": expires},
        }
