"""Redirects and direct responses."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.objects.virtual_service import HTTPDirectResponse, HTTPRedirect
from translator.routes.redirect import build_direct_response, build_redirect


def redirect(text: str) -> HTTPRedirect:
    found = http_rule(yaml.safe_dump({"redirect": yaml.safe_load(text)})).redirect
    assert found is not None
    return found


def response(text: str) -> HTTPDirectResponse:
    found = http_rule(yaml.safe_dump({"directResponse": yaml.safe_load(text)})).direct_response
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uri: /x", {"path_redirect": "/x"}),
        ("prefixRewrite: /x", {"prefix_rewrite": "/x"}),
        ("authority: a.com", {"host_redirect": "a.com"}),
        ("{uri: /x, redirectCode: 301}", {"path_redirect": "/x"}),
        ("{uri: /x, redirectCode: 302}", {"path_redirect": "/x", "response_code": "FOUND"}),
        ("{uri: /x, redirectCode: 303}", {"path_redirect": "/x", "response_code": "SEE_OTHER"}),
        ("{uri: /x, redirectCode: 307}", {"path_redirect": "/x", "response_code": "TEMPORARY_REDIRECT"}),
        ("{uri: /x, redirectCode: 308}", {"path_redirect": "/x", "response_code": "PERMANENT_REDIRECT"}),
        ("{scheme: https, port: 443}", {"scheme_redirect": "https"}),
        ("{scheme: http, port: 443}", {"scheme_redirect": "http", "port_redirect": 443}),
        ("{authority: a.com, port: 80}", {"host_redirect": "a.com"}),
        ("{authority: a.com, port: 8443}", {"host_redirect": "a.com", "port_redirect": 8443}),
        ("{authority: a.com, derivePort: FROM_REQUEST_PORT}", {"host_redirect": "a.com", "port_redirect": 8080}),
        ("{authority: a.com, derivePort: FROM_PROTOCOL_DEFAULT}", {"host_redirect": "a.com"}),
    ],
)
def test_case_18_a_redirect_is_encoded(text: str, expected: Tree) -> None:
    assert tree(build_redirect(redirect(text), 8080, tls=False)) == expected


def test_case_18_behind_tls_the_default_port_is_that_of_https() -> None:
    derived = redirect("{uri: /x, derivePort: FROM_REQUEST_PORT}")
    assert tree(build_redirect(derived, 443, tls=True)) == {"path_redirect": "/x"}
    assert tree(build_redirect(derived, 80, tls=True)) == {"path_redirect": "/x", "port_redirect": 80}


def test_case_18_a_code_that_envoy_cannot_redirect_with_gives_nothing() -> None:
    assert build_redirect(redirect("{uri: /x, redirectCode: 304}"), 80, tls=False) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status: 200", {"status": 200}),
        ("{status: 503, body: {string: 'off'}}", {"status": 503, "body": {"inline_string": "off"}}),
        ("{status: 503, body: {bytes: b2Zm}}", {"status": 503, "body": {"inline_bytes": "b2Zm"}}),
        ("{status: 503, body: {string: ''}}", {"status": 503, "body": {"inline_string": ""}}),
    ],
)
def test_a_direct_response_is_encoded(text: str, expected: Tree) -> None:
    assert tree(build_direct_response(response(text))) == expected


@pytest.mark.parametrize("status", [100, 600])
def test_a_status_that_envoy_refuses_gives_nothing(status: int) -> None:
    assert build_direct_response(response(f"status: {status}")) is None
