"""PeerAuthentication, RequestAuthentication, AuthorizationPolicy (security.istio.io).

Of RequestAuthentication the specification is kept as it was written.
"""

import enum

import msgspec

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


class PolicyAction(enum.StrEnum):
    """What becomes of a request that a policy matches."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    AUDIT = "AUDIT"
    CUSTOM = "CUSTOM"


class PolicyTargetReference(Message, frozen=True, kw_only=True):
    """An object that a policy is attached to."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class PolicyProvider(Message, frozen=True, kw_only=True):
    """Who decides in the place of a CUSTOM policy."""

    name: str = ""


class Source(Message, frozen=True, kw_only=True):
    """Who calls: all that is given has to hold; of a list one value is enough, of a not-list none may fit."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    request_principals: tuple[str, ...] = ()
    not_request_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    not_service_accounts: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()
    not_trust_domains: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    not_ip_blocks: tuple[str, ...] = ()
    remote_ip_blocks: tuple[str, ...] = ()
    not_remote_ip_blocks: tuple[str, ...] = ()


class Operation(Message, frozen=True, kw_only=True):
    """What is called, in the same manner."""

    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    not_ports: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()


class RuleSource(Message, frozen=True, kw_only=True):
    """An item of ``from``."""

    source: Source | None = None


class RuleOperation(Message, frozen=True, kw_only=True):
    """An item of ``to``."""

    operation: Operation | None = None


class Condition(Message, frozen=True, kw_only=True):
    """An item of ``when``: an attribute by its key, and what it may and may not be."""

    key: str = ""
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


class AuthorizationRule(Message, frozen=True, kw_only=True):
    """Matches if one of the sources, one of the operations and all conditions do; what is None always does."""

    from_: tuple[RuleSource, ...] | None = msgspec.field(default=None, name="from")
    to: tuple[RuleOperation, ...] | None = None
    when: tuple[Condition, ...] = ()


class AuthorizationPolicySpec(Message, frozen=True, kw_only=True):
    """An AuthorizationPolicy's specification. ``target_refs`` win over the older ``target_ref``."""

    selector: PolicySelector | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: tuple[PolicyTargetReference, ...] = ()
    action: PolicyAction = PolicyAction.ALLOW
    rules: tuple[AuthorizationRule, ...] = ()
    provider: PolicyProvider | None = None

    @property
    def targets(self) -> tuple[PolicyTargetReference, ...]:
        """The objects that the policy is attached to."""
        return self.target_refs or ((self.target_ref,) if self.target_ref else ())


class AuthorizationPolicy(MeshObject, frozen=True, kw_only=True):
    """Who may call what."""

    spec: AuthorizationPolicySpec = AuthorizationPolicySpec()
