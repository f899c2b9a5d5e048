"""Paths: how a proxy normalises them, and what rewrites and redirects make of them."""

import re
from typing import Final

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.type.matcher.v3 import regex_pb2

from translator.simulation.matching import compile_regex
from translator.simulation.table import Route
from translator.simulation.traffic import Request

_UNRESERVED: Final = re.compile(r"%(2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])")
_ESCAPED_SLASH: Final = re.compile(r"%(?:2[fF]|5[cC])")
_GROUP: Final = re.compile(r"\\(?:([0-9])|\\)")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def normalize_path(manager: hcm.HttpConnectionManager, path: str) -> str:
    """A request's path as its route is looked up."""
    only, question, query = path.partition("?")
    if manager.path_with_escaped_slashes_action == hcm.HttpConnectionManager.UNESCAPE_AND_FORWARD:
        only = _ESCAPED_SLASH.sub(lambda found: "/" if found[0].lower() == "%2f" else "\\", only)
    if manager.normalize_path.value:
        decoded = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), only)
        only = _remove_dots(decoded.replace("\\", "/"))
    if manager.merge_slashes:
        only = re.sub("/+", "/", only)
    return only + question + query


def rewrite_path(route: Route, request: Request) -> str:
    """The path that the upstream sees."""
    action = route.route
    if action.HasField("regex_rewrite"):
        return _replace(action.regex_rewrite, request)
    return _replace_matched(route.match, action.prefix_rewrite, request) if action.prefix_rewrite else request.path


def redirect_location(route: Route, request: Request, scheme: str) -> str:
    """The ``location`` of a redirect.

    Envoy: a new port replaces that of the host; else the host keeps its own, except for one that was the default
    of the scheme before.
    """
    redirect = route.redirect
    target = redirect.scheme_redirect or ("https" if redirect.https_redirect else scheme)
    host = redirect.host_redirect or _redirected_host(request.host, scheme, target, redirect.port_redirect)
    port = f":{redirect.port_redirect}" if redirect.port_redirect else ""
    return f"{target}://{host}{port}{_redirected_path(route, request)}"


def _redirected_path(route: Route, request: Request) -> str:
    redirect = route.redirect
    if redirect.path_redirect:
        _, question, query = request.path.partition("?")
        return redirect.path_redirect if "?" in redirect.path_redirect else redirect.path_redirect + question + query
    if redirect.HasField("regex_rewrite"):
        return _replace(redirect.regex_rewrite, request)
    return _replace_matched(route.match, redirect.prefix_rewrite, request) if redirect.prefix_rewrite else request.path


def _redirected_host(host: str, scheme: str, target: str, port: int) -> str:
    name, colon, old_port = host.rpartition(":")
    if not colon or (name.startswith("[") and not name.endswith("]")):
        return host
    was_default = scheme != target and old_port == _DEFAULT_PORTS.get(scheme)
    return name if port or was_default else host


def _replace(rewrite: regex_pb2.RegexMatchAndSubstitute, request: Request) -> str:
    """Every match in the path is replaced; a group that took no part is empty."""
    _, question, query = request.path.partition("?")

    def substitute(found: "re.Match[str]") -> str:
        return _GROUP.sub(lambda group: (found[int(group[1])] or "") if group[1] else "\\", rewrite.substitution)

    replaced: str = compile_regex(rewrite.pattern.regex).sub(substitute, request.path_only)
    return replaced + question + query


def _replace_matched(match: route_components_pb2.RouteMatch, replacement: str, request: Request) -> str:
    """Envoy: of a prefix the part that matched, of any other match the whole path."""
    kind = match.WhichOneof("path_specifier")
    matched = len(str(getattr(match, kind))) if kind in ("prefix", "path_separated_prefix") else len(request.path_only)
    return replacement + request.path[matched:]


def _remove_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "..":
            if kept:
                kept.pop()
            if last:
                kept.append("")
        elif segment != ".":
            kept.append(segment)
        elif last:
            kept.append("")
    return "/" + "/".join(kept)
