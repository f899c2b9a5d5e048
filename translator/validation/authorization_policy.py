"""Rules for AuthorizationPolicy: its structure, and what its parts may be combined with."""

from typing import Final

from msgspec.structs import replace

from translator.diagnostics import Violation
from translator.objects.gateway_api import GROUP
from translator.objects.security import (
    AuthorizationPolicy,
    AuthorizationPolicySpec,
    AuthorizationRule,
    Operation,
    PolicyAction,
    PolicyTargetReference,
    Source,
)
from translator.validation.authorization_value import check_condition, check_operation, check_source
from translator.validation.label import check_selector
from translator.validation.report import Report, count_set, indexed

_MAX_TARGETS: Final = 16
_MAX_RULES: Final = 512
_TARGET_KINDS: Final = frozenset(
    {
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        (GROUP, "Gateway"),
        (GROUP, "GatewayClass"),
    }
)
# What is known of a caller only after somebody else was asked to decide.
_NOT_FOR_CUSTOM: Final = (
    "principals",
    "request_principals",
    "namespaces",
    "service_accounts",
    "trust_domains",
)
_KEYS_NOT_FOR_CUSTOM: Final = (
    "source.namespace",
    "source.serviceAccount",
    "source.trustDomain",
    "source.principal",
    "request.auth.",
)
_NO_TOKENS: Final[dict[str, tuple[str, ...]]] = {"request_principals": (), "not_request_principals": ()}


def validate_authorization_policy(obj: AuthorizationPolicy) -> tuple[Violation, ...]:
    """Check one AuthorizationPolicy by itself."""
    report, spec = Report(), obj.spec
    _check_targets(report, spec)
    _check_action(report, spec)
    if len(spec.rules) > _MAX_RULES:
        report.error("spec.rules", f"more than {_MAX_RULES} rules")
    for path, rule in indexed("spec.rules", spec.rules):
        _check_rule(report, path, rule)
        if spec.action is PolicyAction.CUSTOM:
            _check_custom(report, path, rule)
        if spec.action is PolicyAction.DENY and _denies_connections(rule):
            report.warn(path, "requests are not seen in TCP: for ports that are not HTTP this denies every connection")
    return report.violations


def _check_targets(report: Report, spec: AuthorizationPolicySpec) -> None:
    if spec.selector is not None:
        check_selector(report, "spec.selector.matchLabels", spec.selector.match_labels)
    given = count_set(spec.target_ref, spec.target_refs) + (spec.selector is not None)
    if given > 1:
        report.error("spec", "only one of selector, targetRef and targetRefs can be set")
    if len(spec.target_refs) > _MAX_TARGETS:
        report.error("spec.targetRefs", f"more than {_MAX_TARGETS} references")
    if spec.target_ref is not None:
        _check_target(report, "spec.targetRef", spec.target_ref)
    for path, target in indexed("spec.targetRefs", spec.target_refs):
        _check_target(report, path, target)


def _check_target(report: Report, path: str, target: PolicyTargetReference) -> None:
    if not target.name:
        report.error(f"{path}.name", "must not be empty")
    if target.namespace:
        report.error(f"{path}.namespace", "a policy holds in its own namespace: must not be set")
    if (target.group, target.kind) not in _TARGET_KINDS:
        report.error(f"{path}.kind", f"{target.group}/{target.kind} is nothing that a policy can be attached to")


def _check_action(report: Report, spec: AuthorizationPolicySpec) -> None:
    named = spec.provider is not None and bool(spec.provider.name)
    if spec.action is PolicyAction.CUSTOM and not named:
        report.error("spec.provider.name", "CUSTOM needs the name of a provider")
    if spec.action is not PolicyAction.CUSTOM and spec.provider is not None:
        report.error("spec.provider", f"belongs to CUSTOM, and not to {spec.action.value}")
    if spec.action in (PolicyAction.DENY, PolicyAction.CUSTOM) and not spec.rules:
        report.error("spec.rules", f"without rules a policy that has the action {spec.action.value} never matches")


def _check_rule(report: Report, path: str, rule: AuthorizationRule) -> None:
    for name, items in (("from", rule.from_), ("to", rule.to)):
        if items == ():
            report.error(f"{path}.{name}", "an empty list would match nothing: leave it out to match everything")
        if items is not None and len(items) > _MAX_RULES:
            report.error(f"{path}.{name}", f"more than {_MAX_RULES} items")
    for at, caller in indexed(f"{path}.from", rule.from_ or ()):
        if caller.source is None or caller.source == Source():
            report.error(f"{at}.source", "at least one field is needed")
        else:
            check_source(report, f"{at}.source", caller.source)
    for at, called in indexed(f"{path}.to", rule.to or ()):
        if called.operation is None or called.operation == Operation():
            report.error(f"{at}.operation", "at least one field is needed")
        else:
            check_operation(report, f"{at}.operation", called.operation)
    for at, condition in indexed(f"{path}.when", rule.when):
        check_condition(report, at, condition)


def _check_custom(report: Report, path: str, rule: AuthorizationRule) -> None:
    """Rule: a decision of somebody else comes before identities and tokens are looked at."""
    for at, caller in indexed(f"{path}.from", rule.from_ or ()):
        for field in _NOT_FOR_CUSTOM:
            for name in (field, f"not_{field}"):
                if caller.source is not None and getattr(caller.source, name):
                    report.error(f"{at}.source", f"{name.replace('_', ' ')} cannot be used with CUSTOM")
    for at, condition in indexed(f"{path}.when", rule.when):
        if condition.key.startswith(_KEYS_NOT_FOR_CUSTOM):
            report.error(f"{at}.key", f"{condition.key} cannot be used with CUSTOM")


def _denies_connections(rule: AuthorizationRule) -> bool:
    """Whether a rule that looks at requests has an operation, or a source, of which a connection shows nothing."""
    if rule.to is not None:
        operations = [each.operation or Operation() for each in rule.to]
        return any(not (each.ports or each.not_ports) for each in operations)
    sources = [each.source or Source() for each in rule.from_ or ()]
    return any(each != Source() and replace(each, **_NO_TOKENS) == Source() for each in sources)
