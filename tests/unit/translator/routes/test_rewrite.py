"""Rewrites that join paths at one slash."""

import pytest
from envoy.config.route.v3 import route_components_pb2

from tests.unit.translator.routes.tables import tree
from translator import pb
from translator.routes.rewrite import build_rewrite, mend_rewrite
from translator.simulation.path import redirect_location, rewrite_path
from translator.simulation.traffic import Request


def route(prefix: str, replacement: str, *, folded: bool = False) -> route_components_pb2.Route:
    made = route_components_pb2.Route()
    made.match.prefix = prefix
    if folded:
        made.match.case_sensitive.CopyFrom(pb.boolean(False))  # noqa: FBT003 - a protobuf wrapper
    made.route.prefix_rewrite = replacement
    mend_rewrite(made)
    return made


@pytest.mark.parametrize(
    ("prefix", "replacement", "path", "expected"),
    [
        ("/foo", "/", "/foo/bar", "/bar"),
        ("/foo", "/", "/foo", "/"),
        ("/foo", "/", "/foo/", "/"),
        ("/foo", "/", "/foobar", "/bar"),
        ("/foo", "/", "/foo?a=/b", "/?a=/b"),
        ("/foo", "/", "/foo//bar", "//bar"),
        ("/foo", "/new/", "/foo/bar", "/new/bar"),
        ("/", "/bar", "/foo", "/bar/foo"),
        ("/", "/bar", "/", "/bar"),
        ("/", "/bar", "/?q", "/bar?q"),
        ("/foo/", "/bar", "/foo/x/y", "/bar/x/y"),
        ("/foo/", "/bar", "/foo/", "/bar"),
        ("/foo", "/bar", "/foo/x", "/bar/x"),
        ("/foo", "/bar", "/foobar", "/barbar"),
        ("/foo/", "/bar/", "/foo/x", "/bar/x"),
        ("/", "/", "/x", "/x"),
        ("/a.b", "/", "/a.b/c", "/c"),
        ("/a", "/b\\1/", "/a/c", "/b\\1/c"),
    ],
)
def test_case_19_paths_are_joined_at_one_slash(prefix: str, replacement: str, path: str, expected: str) -> None:
    request = Request(host="a.com", path=path)
    assert rewrite_path(route(prefix, replacement), request) == expected
    redirect = route_components_pb2.Route()
    redirect.match.prefix = prefix
    redirect.redirect.prefix_rewrite = replacement
    mend_rewrite(redirect)
    assert redirect_location(redirect, request, "http") == f"http://a.com{expected}"


def test_the_case_of_a_prefix_is_ignored_where_the_match_ignores_it() -> None:
    assert rewrite_path(route("/foo", "/", folded=True), Request(host="a", path="/FOO/Bar")) == "/Bar"


def test_a_plain_rewrite_stays_one() -> None:
    assert build_rewrite(route_components_pb2.RouteMatch(prefix="/one"), "/ip") is None
    assert tree(route("/one", "/ip").route) == {"prefix_rewrite": "/ip"}


def test_other_matches_have_their_whole_path_replaced() -> None:
    made = route_components_pb2.Route()
    made.match.path = "/foo"
    made.route.prefix_rewrite = "/"
    mend_rewrite(made)
    assert tree(made.route) == {"prefix_rewrite": "/"}
