"""The filters' configurations by which policies hold: what is audited, refused and let in, in this order."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac_pb2

from translator.database import Database
from translator.engine import query
from translator.objects.registry import ObjectKey
from translator.objects.security import AuthorizationPolicy, PolicyAction
from translator.pb import encode
from translator.security.authorization.rule import rules_of

DRY_RUN_ANNOTATION: Final = "istio.io/dry-run"

# Envoy prefixes what it counts of connections by this.
_NETWORK_STATS: Final = "tcp."
# Go's notion of a boolean.
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_ORDER: Final = (
    (PolicyAction.AUDIT, rbac_pb2.RBAC.LOG, ""),
    (PolicyAction.DENY, rbac_pb2.RBAC.DENY, "istio_dry_run_deny_"),
    (PolicyAction.ALLOW, rbac_pb2.RBAC.ALLOW, "istio_dry_run_allow_"),
)


class AccessRules(msgspec.Struct, frozen=True):
    """Encoded configurations of the access control filters of requests and of connections, in order."""

    http: tuple[bytes, ...] = ()
    network: tuple[bytes, ...] = ()


UNRESTRICTED: Final = AccessRules()


@query
def access_rules(db: Database, keys: tuple[ObjectKey, ...]) -> AccessRules:
    """The configurations of these policies together."""
    policies = [row for key in keys if isinstance(row := db.row(key), AuthorizationPolicy)]
    mesh = db.settings.mesh
    domains = tuple(dict.fromkeys((mesh.trust_domain, *filter(None, mesh.trust_domain_aliases))))
    return AccessRules(
        tuple(encode(each) for each in build_http_access(policies, domains)),
        tuple(encode(each) for each in build_network_access(policies, domains)),
    )


def build_http_access(
    policies: Iterable[AuthorizationPolicy], trust_domains: tuple[str, ...]
) -> Iterator[http_rbac_pb2.RBAC]:
    """The messages for requests; an action that no policy has needs none."""
    for action in _by_action(tuple(policies), trust_domains, http=True):
        yield http_rbac_pb2.RBAC(
            rules=action.rules, shadow_rules=action.shadow, shadow_rules_stat_prefix=action.shadow_prefix
        )


def build_network_access(
    policies: Iterable[AuthorizationPolicy], trust_domains: tuple[str, ...]
) -> Iterator[network_rbac_pb2.RBAC]:
    """The messages for connections, of which no request is seen."""
    for action in _by_action(tuple(policies), trust_domains, http=False):
        yield network_rbac_pb2.RBAC(
            rules=action.rules,
            shadow_rules=action.shadow,
            shadow_rules_stat_prefix=action.shadow_prefix,
            stat_prefix=_NETWORK_STATS,
        )


def is_dry_run(source: AuthorizationPolicy) -> bool:
    """Whether a policy is only tried out: counted, not enforced."""
    return source.metadata.annotations.get(DRY_RUN_ANNOTATION, "") in _TRUE


class _ActionRules(msgspec.Struct, frozen=True):
    """The rules of one action: those in force, and those that are tried out. None if there are no such policies."""

    rules: rbac_pb2.RBAC | None
    shadow: rbac_pb2.RBAC | None
    shadow_prefix: str


def _by_action(
    policies: tuple[AuthorizationPolicy, ...], trust_domains: tuple[str, ...], *, http: bool
) -> Iterator[_ActionRules]:
    for action, envoy_action, prefix in _ORDER:
        tried = [each for each in policies if each.spec.action is action and is_dry_run(each)]
        enforced = [each for each in policies if each.spec.action is action and not is_dry_run(each)]
        if tried or enforced:
            yield _ActionRules(
                _access_control(envoy_action, enforced, trust_domains, http=http),
                _access_control(envoy_action, tried, trust_domains, http=http),
                prefix if tried else "",
            )


def _access_control(
    action: rbac_pb2.RBAC.Action,
    policies: list[AuthorizationPolicy],
    trust_domains: tuple[str, ...],
    *,
    http: bool,
) -> rbac_pb2.RBAC | None:
    """Without a single rule it still has to be there: what nothing allows is refused."""
    if not policies:
        return None
    rules = {name: rule for each in policies for name, rule in rules_of(each, trust_domains, http=http)}
    return rbac_pb2.RBAC(action=action, policies=rules)
