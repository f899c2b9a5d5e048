"""The identity of a workload: a Kubernetes service account in a trust domain."""

from dataclasses import dataclass
from typing import Final

from xds.auth import Identity

_SCHEME: Final = "spiffe://"


@dataclass(frozen=True, slots=True)
class Principal(Identity):
    """A service account that a client proved to act for; ``pod`` is the name of the pod, if that is proved too."""

    namespace: str
    service_account: str
    pod: str = ""


def principal(trust_domain: str, namespace: str, service_account: str, pod: str = "") -> Principal:
    """The principal of a service account; its name is the SPIFFE ID.

    Istio: an ``@`` in a trust domain, which no URI may have there, stands as a dot.
    """
    name = f"{_SCHEME}{trust_domain.replace('@', '.')}/ns/{namespace}/sa/{service_account}"
    return Principal(name, namespace, service_account, pod)


def parse_spiffe_id(text: str) -> tuple[str, Principal] | None:
    """The trust domain and the principal of ``spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT``; None for all other text."""
    parts = text.removeprefix(_SCHEME).split("/")
    if not text.startswith(_SCHEME) or len(parts) != 5 or not all(parts) or (parts[1], parts[3]) != ("ns", "sa"):
        return None
    return parts[0], Principal(text, parts[2], parts[4])
