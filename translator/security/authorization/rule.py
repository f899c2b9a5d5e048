"""The rules of a policy as policies of Envoy's access control."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from envoy.config.rbac.v3 import rbac_pb2

from translator.objects.security import AuthorizationPolicy, AuthorizationRule, Operation, PolicyAction, Source
from translator.security.authorization.attribute import Attribute, UnusableError, match_attribute
from translator.security.authorization.permission import (
    Permission,
    is_operation_key,
    operation_attribute,
    operation_attributes,
)
from translator.security.authorization.principal import (
    Principal,
    PrincipalScope,
    source_attribute,
    source_attributes,
)

_ANYBODY: Final = Source()
_ANYTHING: Final = Operation()


class RuleScope(msgspec.Struct, frozen=True, kw_only=True):
    """What the meaning of a policy's rules depends on beside them. ``http``: requests are judged, not connections.

    ``strict``: a rule with a value that cannot be used matches nothing; otherwise it goes without that value.
    """

    caller: PrincipalScope
    strict: bool


def rules_of(
    source: AuthorizationPolicy, trust_domains: tuple[str, ...], *, http: bool
) -> Iterator[tuple[str, rbac_pb2.Policy]]:
    """The rules of a policy by name. Istio: a policy without rules matches nothing."""
    metadata, action = source.metadata, source.spec.action
    caller = PrincipalScope(metadata.namespace, trust_domains, http)
    scope = RuleScope(caller=caller, strict=action is PolicyAction.ALLOW)
    prefix = f"ns[{metadata.namespace}]-policy[{metadata.name}]-rule"
    if not source.spec.rules:
        yield f"{prefix}[0]", _match_nothing()
    for index, rule in enumerate(source.spec.rules):
        try:
            yield f"{prefix}[{index}]", build_rule(rule, scope)
        except UnusableError:
            continue


def build_rule(rule: AuthorizationRule, scope: RuleScope) -> rbac_pb2.Policy:
    """The message of a rule; UnusableError if the scope is strict and a value cannot be used."""
    callers = [each.source or _ANYBODY for each in rule.from_ or ()] or [_ANYBODY]
    operations = [each.operation or _ANYTHING for each in rule.to or ()] or [_ANYTHING]
    http = scope.caller.http
    of_callers = [
        source_attribute(each.key, each.values, each.not_values, scope.caller)
        for each in rule.when
        if not is_operation_key(each.key)
    ]
    of_operations = [
        operation_attribute(each.key, each.values, each.not_values, http=http)
        for each in rule.when
        if is_operation_key(each.key)
    ]
    strict = scope.strict
    return rbac_pb2.Policy(
        permissions=[
            _all_permissions([*operation_attributes(each, http=http), *of_operations], strict=strict)
            for each in operations
        ],
        principals=[
            _all_principals([*source_attributes(each, scope.caller), *of_callers], strict=strict) for each in callers
        ],
    )


def _all_principals(attributes: Iterable[Attribute[Principal]], *, strict: bool) -> Principal:
    ids: list[Principal] = []
    for attribute in attributes:
        found = match_attribute(attribute, strict=strict)
        if found.wanted:
            ids.append(Principal(or_ids=Principal.Set(ids=found.wanted)))
        if found.unwanted:
            ids.append(Principal(not_id=Principal(or_ids=Principal.Set(ids=found.unwanted))))
    return Principal(and_ids=Principal.Set(ids=ids or [Principal(any=True)]))


def _all_permissions(attributes: Iterable[Attribute[Permission]], *, strict: bool) -> Permission:
    rules: list[Permission] = []
    for attribute in attributes:
        found = match_attribute(attribute, strict=strict)
        if found.wanted:
            rules.append(Permission(or_rules=Permission.Set(rules=found.wanted)))
        if found.unwanted:
            rules.append(Permission(not_rule=Permission(or_rules=Permission.Set(rules=found.unwanted))))
    return Permission(and_rules=Permission.Set(rules=rules or [Permission(any=True)]))


def _match_nothing() -> rbac_pb2.Policy:
    return rbac_pb2.Policy(
        permissions=[Permission(not_rule=Permission(any=True))], principals=[Principal(not_id=Principal(any=True))]
    )
