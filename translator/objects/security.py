"""PeerAuthentication, RequestAuthentication, AuthorizationPolicy (security.istio.io).

Of the last two the specification is kept as it was written.
"""

import enum

from translator.objects.meta import MeshObject, Message, PolicySelector


class PeerMode(enum.StrEnum):
    """What is asked of clients; UNSET asks what the next larger scope asks."""

    UNSET = "UNSET"
    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"


class PeerMutualTLS(Message, frozen=True, kw_only=True):
    """The settings of a scope, or of a port."""

    mode: PeerMode = PeerMode.UNSET


class PeerAuthenticationSpec(Message, frozen=True, kw_only=True):
    """A PeerAuthentication's specification. YAML has the numbers of ports as numbers, JSON as text."""

    selector: PolicySelector | None = None
    mtls: PeerMutualTLS | None = None
    port_level_mtls: dict[int | str, PeerMutualTLS] | None = None


class PeerAuthentication(MeshObject, frozen=True, kw_only=True):
    """Which workloads accept or demand mutual TLS."""

    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()


class RequestAuthentication(MeshObject, frozen=True, kw_only=True):
    """Which tokens are accepted."""

    spec: dict[str, object] = {}


class AuthorizationPolicy(MeshObject, frozen=True, kw_only=True):
    """Who may call what."""

    spec: dict[str, object] = {}
