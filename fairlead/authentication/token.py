"""Bearer tokens: whose they are, and the interface of whoever verifies them."""

from typing import Final, NamedTuple, Protocol

_SUBJECT: Final = "system:serviceaccount:"


class TokenRefusedError(Exception):
    """A token is not accepted; the text says why, for the log of the control plane, and never holds the token."""


class ServiceAccount(NamedTuple):
    """Whom a token was made for; ``pod`` is the name of the pod that it is bound to, empty if to none."""

    namespace: str
    name: str
    pod: str = ""


class TokenVerifier(Protocol):
    """Says whose token it is. Implementations may ask somebody else, such as the Kubernetes API."""

    async def verify(self, token: str) -> ServiceAccount:
        """The service account that the token was made for. Raises TokenRefusedError."""


def service_account(subject: str, pod: str = "") -> ServiceAccount:
    """Kubernetes: a token's subject is ``system:serviceaccount:NAMESPACE:NAME``. Raises TokenRefusedError."""
    namespace, colon, account = subject.removeprefix(_SUBJECT).partition(":")
    if not subject.startswith(_SUBJECT) or not (namespace and colon and account):
        raise TokenRefusedError(f"the token is for {subject!r}, which is no service account")
    return ServiceAccount(namespace, account, pod)
