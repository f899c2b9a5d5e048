"""The algebra of hostnames."""

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.model.host import (
    covering_patterns,
    covers,
    is_ip,
    most_specific,
    overlaps,
    resolve_short_name,
    specificity,
)

LABELS = st.sampled_from(["a", "b", "c-1"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(NAMES, NAMES.map("*.{}".format), st.just("*"))


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("a.com", "a.com", True),
        ("*", "a.com", True),
        ("*", "*.a.com", True),
        ("*.a.com", "b.a.com", True),
        ("*.a.com", "c.b.a.com", True),
        ("*.a.com", "*.b.a.com", True),
        ("*.a.com", "a.com", False),
        ("*.a.com", "ba.com", False),
        ("*.b.a.com", "*.a.com", False),
        ("a.com", "*", False),
        ("a.com", "*.com", False),
    ],
)
def test_covers(pattern: str, host: str, expected: bool) -> None:  # noqa: FBT001
    assert covers(pattern, host) is expected


@given(PATTERNS, PATTERNS, NAMES)
def test_what_covers_a_pattern_covers_its_names(outer: str, inner: str, name: str) -> None:
    if covers(outer, inner) and covers(inner, name):
        assert covers(outer, name)
    if covers(outer, name) and covers(inner, name):
        assert overlaps(outer, inner)


@given(PATTERNS, st.lists(PATTERNS))
def test_covering_patterns_find_what_a_scan_finds(host: str, patterns: list[str]) -> None:
    found = next((pattern for pattern in covering_patterns(host) if pattern in patterns), None)
    assert found == most_specific(patterns, host)


@given(PATTERNS)
def test_covering_patterns_are_each_once_and_in_order(host: str) -> None:
    found = list(covering_patterns(host))
    assert len(set(found)) == len(found)
    assert found == sorted(found, key=specificity)
    assert all(covers(pattern, host) for pattern in found)


@given(st.one_of(st.text(alphabet="0123456789.:af", max_size=15), st.ip_addresses().map(str), st.text(max_size=5)))
def test_addresses_are_what_python_takes_for_one(text: str) -> None:
    expected = False
    with contextlib.suppress(ValueError):
        expected = bool(ip_address(text))
    assert is_ip(text) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("web", "web.ns.svc.local"),
        ("WEB", "web.ns.svc.local"),
        ("web.other", "web.other"),
        ("a.COM", "a.com"),
        ("*", "*"),
        ("*.com", "*.com"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_short_names(host: str, expected: str) -> None:
    assert resolve_short_name(host, "ns", "local") == expected
