"""PeerAuthentication, RequestAuthentication, AuthorizationPolicy (security.istio.io), kept as they were written."""

from translator.objects.meta import MeshObject


class PeerAuthentication(MeshObject, frozen=True, kw_only=True):
    """Which workloads accept or demand mutual TLS."""

    spec: dict[str, object] = {}


class RequestAuthentication(MeshObject, frozen=True, kw_only=True):
    """Which tokens are accepted."""

    spec: dict[str, object] = {}


class AuthorizationPolicy(MeshObject, frozen=True, kw_only=True):
    """Who may call what."""

    spec: dict[str, object] = {}
