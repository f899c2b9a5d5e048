"""Paths as they are normalised, rewritten and redirected."""

import pytest
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm

from translator import pb
from translator.simulation.path import normalize_path, redirect_location, rewrite_path
from translator.simulation.traffic import Request

Manager = hcm.HttpConnectionManager


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/../b", "/b"),
        ("/a/./b?x=/../y", "/a/b?x=/../y"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/%61%2D%7e", "/a-~"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a//b", "/a//b"),
        ("\\a", "/a"),
    ],
)
def test_normalisation(path: str, expected: str) -> None:
    assert normalize_path(Manager(normalize_path=pb.boolean(True)), path) == expected  # noqa: FBT003
    assert normalize_path(Manager(), path) == path


def test_slashes_are_merged_and_decoded_when_asked_for() -> None:
    manager = Manager(
        normalize_path=pb.boolean(True),  # noqa: FBT003 - a protobuf wrapper
        merge_slashes=True,
        path_with_escaped_slashes_action=Manager.UNESCAPE_AND_FORWARD,
    )
    assert normalize_path(manager, "/a%2F%2fb//c%5Cd?x=//") == "/a/b/c/d?x=//"


def test_of_an_exact_match_the_whole_path_is_replaced() -> None:
    route = route_components_pb2.Route()
    route.match.path, route.route.prefix_rewrite = "/a", "/b"
    assert rewrite_path(route, Request(host="h", path="/a?q")) == "/b?q"


@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "expected"),
    [
        ("a", "x", "/a/a?a", "/x/x?a"),
        ("^/([^/]+)/(.*)$", r"/\2/\1", "/a/b", "/b/a"),
        ("(a)|b", r"[\1]", "/ab", "/[a][]"),
        ("a", r"\\", "/a", "/\\"),
    ],
)
def test_expressions_replace_every_match(pattern: str, substitution: str, path: str, expected: str) -> None:
    route = route_components_pb2.Route()
    route.route.regex_rewrite.pattern.regex = pattern
    route.route.regex_rewrite.substitution = substitution
    assert rewrite_path(route, Request(host="h", path=path)) == expected


@pytest.mark.parametrize(
    ("redirect", "host", "expected"),
    [
        ({"scheme_redirect": "https"}, "a.com:80", "https://a.com/p?q"),
        ({"scheme_redirect": "https"}, "a.com:8080", "https://a.com:8080/p?q"),
        ({"port_redirect": 99}, "a.com:8080", "http://a.com:99/p?q"),
        ({"port_redirect": 99}, "[::1]", "http://[::1]:99/p?q"),
        ({"host_redirect": "b.com"}, "a.com:8080", "http://b.com/p?q"),
        ({"path_redirect": "/x"}, "a.com", "http://a.com/x?q"),
        ({"path_redirect": "/x?y"}, "a.com", "http://a.com/x?y"),
        ({"https_redirect": True}, "a.com", "https://a.com/p?q"),
    ],
)
def test_redirects(redirect: dict[str, object], host: str, expected: str) -> None:
    action = route_components_pb2.RedirectAction(**redirect)  # type: ignore[arg-type]
    route = route_components_pb2.Route(redirect=action)
    assert redirect_location(route, Request(host=host, path="/p?q"), "http") == expected
