"""PeerAuthentication, RequestAuthentication, AuthorizationPolicy (security.istio.io), kept as they were written."""

from translator.objects.meta import Metadata, Record


class PeerAuthentication(Record, frozen=True, kw_only=True):
    """Which workloads accept or demand mutual TLS."""

    metadata: Metadata
    spec: dict[str, object] = {}


class RequestAuthentication(Record, frozen=True, kw_only=True):
    """Which tokens are accepted."""

    metadata: Metadata
    spec: dict[str, object] = {}


class AuthorizationPolicy(Record, frozen=True, kw_only=True):
    """Who may call what."""

    metadata: Metadata
    spec: dict[str, object] = {}
