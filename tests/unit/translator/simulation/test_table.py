"""Route tables: virtual hosts by domain, and routes by what they match."""

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2

from translator.simulation.table import find_virtual_host, matches_path, without_port

DOMAINS = ["a.com", "*.a.com", "*.b.a.com", "*-x.a.com", "prefix.*", "prefix.longer.*", "[::1]", "*"]


def table(*domains: str, ignore_port: bool = True) -> route_pb2.RouteConfiguration:
    made = route_pb2.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    for domain in domains:
        made.virtual_hosts.add(name=domain, domains=[domain])
    return made


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("a.com", "a.com"),
        ("A.COM", "a.com"),
        ("a.com:8080", "a.com"),
        ("x.a.com", "*.a.com"),
        ("x.b.a.com", "*.b.a.com"),
        ("y-x.a.com", "*-x.a.com"),
        ("prefix.org", "prefix.*"),
        ("prefix.longer.org", "prefix.longer.*"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("other.org", "*"),
    ],
)
def test_the_best_domain_wins(authority: str, expected: str) -> None:
    found = find_virtual_host(table(*DOMAINS), authority)
    assert found is not None
    assert found[0].name == found[1] == expected


def test_ports_count_where_they_are_not_ignored() -> None:
    made = table("a.com", "a.com:81", ignore_port=False)
    found = [find_virtual_host(made, authority) for authority in ("a.com", "a.com:81", "a.com:82")]
    assert [each[1] if each else None for each in found] == ["a.com", "a.com:81", None]


@pytest.mark.parametrize(
    ("authority", "expected"),
    [("a:80", "a"), ("a", "a"), ("a:b", "a:b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("::1", ":")],
)
def test_ports_are_taken_off(authority: str, expected: str) -> None:
    assert without_port(authority) == expected


@pytest.mark.parametrize(
    ("match", "path", "expected"),
    [
        ({"prefix": "/a"}, "/ab", True),
        ({"prefix": "/a"}, "/A", False),
        ({"path": "/a"}, "/a", True),
        ({"path": "/a"}, "/a/", False),
        ({"path_separated_prefix": "/a"}, "/a", True),
        ({"path_separated_prefix": "/a"}, "/a/b", True),
        ({"path_separated_prefix": "/a"}, "/ab", False),
        ({"safe_regex": {"regex": "/a+"}}, "/aa", True),
        ({"safe_regex": {"regex": "/a+"}}, "/aab", False),
    ],
)
def test_paths(match: dict[str, object], path: str, *, expected: bool) -> None:
    assert matches_path(route_components_pb2.RouteMatch(**match), path) == expected  # type: ignore[arg-type]
