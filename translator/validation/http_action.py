"""Rules for what becomes of a request: redirect, direct response, rewrite."""

from collections.abc import Sequence
from typing import Final

from translator.objects.virtual_service import (
    Headers,
    HTTPDirectResponse,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRewrite,
    RegexRewrite,
)
from translator.validation.header import is_authority
from translator.validation.port import port_fault
from translator.validation.regex import regex_fault
from translator.validation.report import Report, count_set

# Envoy can redirect with these codes only; 0 is the default.
_REDIRECT_CODES: Final = frozenset({0, 301, 302, 303, 307, 308})
_BODY_LIMIT: Final = 1 << 20
_LARGE_BODY: Final = 100 << 10


def status_fault(status: int) -> str:
    """Rule: a final status that Envoy can answer with."""
    return "" if 200 <= status <= 599 else f"status {status} is not in the range 200..599"


def check_redirect(
    report: Report, path: str, redirect: HTTPRedirect | None, matches: Sequence[HTTPMatchRequest]
) -> None:
    """Rule: something of the URL changes, each part of it once, in a form that Envoy has."""
    if redirect is None:
        return
    if redirect.uri and redirect.prefix_rewrite:
        report.error(path, "only one of uri and prefixRewrite can be set")
    if redirect.prefix_rewrite and any(match.uri and match.uri.prefix is None for match in matches):
        report.error(f"{path}.prefixRewrite", "every uri match of the rule must be a prefix match")
    if redirect.port is not None and redirect.derive_port is not None:
        report.error(path, "only one of port and derivePort can be set")
    if not count_set(
        redirect.uri,
        redirect.prefix_rewrite,
        redirect.authority,
        redirect.scheme,
        redirect.port,
        redirect.derive_port,
    ):
        report.error(path, "one of uri, prefixRewrite, authority, scheme, port and derivePort must be set")
    if redirect.redirect_code not in _REDIRECT_CODES:
        report.error(f"{path}.redirectCode", f"{redirect.redirect_code} is not one of 301, 302, 303, 307, 308")
    if redirect.scheme not in ("", "http", "https"):
        report.error(f"{path}.scheme", f"{redirect.scheme!r} is neither http nor https")
    if redirect.port:
        report.require(f"{path}.port", port_fault(redirect.port))


def check_direct_response(report: Report, path: str, response: HTTPDirectResponse | None) -> None:
    """Rule: a final status, and a body within Envoy's limit."""
    if response is None:
        return
    report.require(f"{path}.status", status_fault(response.status))
    body = response.body
    if body is None:
        return
    if body.string is not None and body.binary is not None:
        report.error(f"{path}.body", "only one of string and bytes can be set")
    size = len(body.binary or b"") if body.string is None else len(body.string.encode(errors="replace"))
    if size > _BODY_LIMIT:
        report.error(f"{path}.body", f"{size} bytes are more than 1 MiB")
    elif size > _LARGE_BODY:
        report.warn(f"{path}.body", f"{size} bytes go to every proxy with every change of its routes")


def check_rewrite(report: Report, path: str, rewrite: HTTPRewrite | None, headers: Headers | None) -> None:
    """Rule: something is rewritten, the path in one way, the authority in one place (headers count too)."""
    if rewrite is not None:
        if rewrite.uri and rewrite.uri_regex_rewrite:
            report.error(path, "only one of uri and uriRegexRewrite can be set")
        if not count_set(rewrite.uri, rewrite.uri_regex_rewrite, rewrite.authority):
            report.error(path, "one of uri, uriRegexRewrite and authority must be set")
        _check_regex_rewrite(report, f"{path}.uriRegexRewrite", rewrite.uri_regex_rewrite)
    request = headers.request if headers else None
    changed = [name for name in (*request.set, *request.add) if is_authority(name)] if request else []
    if len(changed) + bool(rewrite and rewrite.authority) > 1:
        report.error(path, "the authority is set more than once (by rewrite.authority and headers.request)")


def _check_regex_rewrite(report: Report, path: str, rewrite: RegexRewrite | None) -> None:
    if rewrite is None:
        return
    report.require(f"{path}.match", regex_fault(rewrite.match))
    if not rewrite.rewrite:
        report.error(f"{path}.rewrite", "must not be empty")
