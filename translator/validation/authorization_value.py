"""Rules for the values in an AuthorizationPolicy: who calls, what is called, and conditions."""

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from translator.model.path_template import is_path_template, template_fault
from translator.objects.security import Condition, Operation, Source
from translator.validation.address import subnet_fault
from translator.validation.header import header_name_fault
from translator.validation.report import Report, indexed

_Check = Callable[[str], str]

_MAX_PORT: Final = 65535
_MAX_ACCOUNTS: Final = 16
_MAX_ACCOUNT_LENGTH: Final = 320
_ACCOUNT: Final = re.compile(r"(?:[^/]+/)?[^/]+")
# Keys with an entry in brackets.
_BRACKETED: Final = re.compile(
    r"(?:request\.headers\[[^\[\]]+\]|request\.auth\.claims(?:\[[^\[\]]+\])+|experimental\.envoy\.filters\.[^\[\]]+\[.+\])"
)
_HEADERS: Final = "request.headers"
_NEEDS_BRACKETS: Final = (_HEADERS, "request.auth.claims", "experimental.envoy.filters.")
_DEPRECATED: Final = ("destination.labels", "destination.name", "destination.user", "destination.namespace")


def check_source(report: Report, path: str, source: Source) -> None:
    """Rule: values of the form that their field has; service accounts stand alone."""
    checks: dict[str, _Check] = {
        "ip_blocks": block_fault,
        "remote_ip_blocks": block_fault,
        "service_accounts": account_fault,
        "trust_domains": trust_domain_fault,
    }
    _check_lists(report, path, source, checks)
    accounts = source.service_accounts or source.not_service_accounts
    named = (source.principals, source.not_principals, source.namespaces, source.not_namespaces)
    if accounts and any(named):
        report.error(f"{path}.serviceAccounts", "cannot be combined with principals or namespaces")
    for name, values in (
        ("serviceAccounts", source.service_accounts),
        ("notServiceAccounts", source.not_service_accounts),
    ):
        if len(values) > _MAX_ACCOUNTS:
            report.error(f"{path}.{name}", f"more than {_MAX_ACCOUNTS} service accounts")


def check_operation(report: Report, path: str, operation: Operation) -> None:
    """Rule: values of the form that their field has."""
    _check_lists(report, path, operation, {"ports": _port_fault, "paths": path_fault})


def check_condition(report: Report, path: str, condition: Condition) -> None:
    """Rule: a known key, and at least one value of the form that the key asks for."""
    report.require(f"{path}.key", _key_fault(condition.key))
    if not condition.values and not condition.not_values:
        report.error(path, "at least one value or notValue is needed")
    check = _CONDITIONS.get(condition.key, _no_fault)
    _check_values(report, f"{path}.values", condition.values, check)
    _check_values(report, f"{path}.notValues", condition.not_values, check)


def block_fault(text: str) -> str:
    """Rule: an IP address or a subnet, which no zone of a machine belongs to."""
    return f"{text!r} names a zone" if "%" in text else subnet_fault(text)


def account_fault(text: str) -> str:
    """Rule: the name of a service account, with its namespace before a slash or without."""
    if "*" in text:
        return "wildcards are not supported in service accounts"
    if len(text) > _MAX_ACCOUNT_LENGTH:
        return f"longer than {_MAX_ACCOUNT_LENGTH} characters"
    return "" if _ACCOUNT.fullmatch(text) else f"{text!r} is not of the form ACCOUNT or NAMESPACE/ACCOUNT"


def trust_domain_fault(text: str) -> str:
    """Rule: a trust domain, with at most one wildcard, at its beginning or its end."""
    if "/" in text:
        return f"{text!r} holds a '/'"
    if "*" in text[1:-1] or text.count("*") > 1:
        return f"{text!r} has more than one wildcard, or one in its middle"
    return ""


def path_fault(text: str) -> str:
    """Rule: a path, perhaps with a wildcard at its beginning or its end, or a path template."""
    if is_path_template(text):
        return template_fault(text)
    return "'{' and '}' are for the operators {*} and {**}" if "{" in text or "}" in text else ""


def _check_lists(report: Report, path: str, record: Source | Operation, checks: dict[str, _Check]) -> None:
    """Every list of a record; a not-list holds what its counterpart does."""
    for field in msgspec.structs.fields(record):
        check = checks.get(field.name.removeprefix("not_"), _no_fault)
        _check_values(report, f"{path}.{field.encode_name}", getattr(record, field.name), check)


def _check_values(report: Report, path: str, values: Iterable[str], check: _Check) -> None:
    for at, value in indexed(path, values):
        report.require(at, check(value) if value else "must not be empty")


def _key_fault(key: str) -> str:
    if not key:
        return "must not be empty"
    if key.startswith(_DEPRECATED):
        return f"{key!r} is no longer supported"
    if key.startswith(_NEEDS_BRACKETS):
        if not _BRACKETED.fullmatch(key):
            return f"{key!r} names no entry: NAME[ENTRY] is needed"
        header = key.removeprefix(_HEADERS)
        return "" if header == key else header_name_fault(header[1:-1].removeprefix(":"))
    return "" if key in _CONDITIONS else f"unknown key {key!r}"


def _port_fault(text: str) -> str:
    if text.isascii() and text.isdigit() and int(text) <= _MAX_PORT:
        return ""
    return f"{text!r} is not a port number in the range 0..{_MAX_PORT}"


def _no_fault(_text: str) -> str:
    return ""


_CONDITIONS: Final[dict[str, _Check]] = {
    "source.ip": block_fault,
    "remote.ip": block_fault,
    "source.namespace": _no_fault,
    "source.principal": _no_fault,
    "source.serviceAccount": account_fault,
    "source.trustDomain": trust_domain_fault,
    "request.auth.principal": _no_fault,
    "request.auth.audiences": _no_fault,
    "request.auth.presenter": _no_fault,
    "destination.ip": block_fault,
    "destination.port": _port_fault,
    "connection.sni": _no_fault,
}
