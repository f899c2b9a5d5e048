"""Answers that the proxy gives itself: redirects and direct responses."""

from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2

from translator.objects.virtual_service import HTTPDirectResponse, HTTPRedirect, RedirectPortSelection

_CODES: Final = {
    0: route_components_pb2.RedirectAction.MOVED_PERMANENTLY,
    301: route_components_pb2.RedirectAction.MOVED_PERMANENTLY,
    302: route_components_pb2.RedirectAction.FOUND,
    303: route_components_pb2.RedirectAction.SEE_OTHER,
    307: route_components_pb2.RedirectAction.TEMPORARY_REDIRECT,
    308: route_components_pb2.RedirectAction.PERMANENT_REDIRECT,
}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def build_redirect(redirect: HTTPRedirect, port: int, *, tls: bool) -> route_components_pb2.RedirectAction | None:
    """The redirect of a route that is served at ``port``; None for a status code that Envoy cannot redirect with."""
    code = _CODES.get(redirect.redirect_code)
    if code is None:
        return None
    built = route_components_pb2.RedirectAction(host_redirect=redirect.authority, response_code=code)
    if redirect.scheme:
        built.scheme_redirect = redirect.scheme
    if redirect.uri:
        built.path_redirect = redirect.uri
    elif redirect.prefix_rewrite:
        built.prefix_rewrite = redirect.prefix_rewrite
    wanted = redirect.port or 0
    if redirect.derive_port is RedirectPortSelection.FROM_REQUEST_PORT:
        wanted = port
    scheme = redirect.scheme or ("https" if tls else "http")
    if wanted != _DEFAULT_PORTS.get(scheme):
        built.port_redirect = wanted
    return built


def build_direct_response(response: HTTPDirectResponse) -> route_components_pb2.DirectResponseAction | None:
    """The answer; None for a status that Envoy refuses, which would cost the whole route table."""
    if not 200 <= response.status < 600:
        return None
    built = route_components_pb2.DirectResponseAction(status=response.status)
    body = response.body
    if body is not None and body.string is not None:
        built.body.CopyFrom(base_pb2.DataSource(inline_string=body.string))
    elif body is not None and body.binary is not None:
        built.body.CopyFrom(base_pb2.DataSource(inline_bytes=body.binary))
    return built
