"""Delegation: the rule of a root joined with those of its delegate."""

import pytest
import yaml

from tests.unit.translator.routes.tables import http_rule
from translator.model.delegate import merge_rules
from translator.objects.virtual_service import HTTPMatchRequest, HTTPRoute

TO_A = {"route": [{"destination": {"host": "a"}}]}


def rule(text: str) -> HTTPRoute:
    return http_rule(yaml.safe_dump({**TO_A, **yaml.safe_load(text)}))


def merged(root: str, own: str) -> list[HTTPMatchRequest] | None:
    """The matches of a delegate's rule under a root's; None when the rule is dropped."""
    found = list(merge_rules(rule(f"{{match: {root}}}"), [rule(f"{{match: {own}}}")]))
    return list(found[0].match) if found else None


def matches(text: str) -> list[HTTPMatchRequest]:
    return list(rule(f"{{match: {text}}}").match)


PREFIX_API = "[{uri: {prefix: /api}}]"


@pytest.mark.parametrize(
    ("root", "own", "expected"),
    [
        (PREFIX_API, "[{uri: {exact: /api/v1}}]", "[{uri: {exact: /api/v1}}]"),
        (PREFIX_API, "[{uri: {prefix: /api/v1}}]", "[{uri: {prefix: /api/v1}}]"),
        (PREFIX_API, "[{headers: {a: {exact: b}}}]", "[{uri: {prefix: /api}, headers: {a: {exact: b}}}]"),
        (PREFIX_API, "[]", PREFIX_API),
        ("[]", "[{uri: {prefix: /x}}]", "[{uri: {prefix: /x}}]"),
        ("[{uri: {exact: /a}}]", "[{uri: {exact: /a}}]", "[{uri: {exact: /a}}]"),
        ("[{method: {prefix: G}}]", "[{method: {exact: GET}}]", "[{method: {exact: GET}}]"),
        ("[{port: 80}]", "[{}]", "[{port: 80}]"),
        ("[{port: 80}]", "[{port: 80}]", "[{port: 80}]"),
        ("[{sourceNamespace: a}]", "[{sourceNamespace: a}]", "[{sourceNamespace: a}]"),
        ("[{}]", "[{sourceNamespace: a}]", "[{sourceNamespace: a}]"),
        (
            "[{sourceLabels: {a: x}, headers: {h: {exact: v}}}]",
            "[{sourceLabels: {b: y}, headers: {i: {}}}]",
            "[{sourceLabels: {a: x, b: y}, headers: {h: {exact: v}, i: {}}}]",
        ),
        ("[{gateways: [a, b]}]", "[{gateways: [a]}]", "[{gateways: [a]}]"),
        ("[{gateways: [a]}]", "[{}]", "[{gateways: [a]}]"),
        ("[{name: r, statPrefix: s}]", "[{name: d}]", "[{name: r-d, statPrefix: s}]"),
        ("[{name: r}]", "[{}]", "[{name: r}]"),
        (
            "[{queryParams: {q: {prefix: a}}, withoutHeaders: {w: {exact: x}}}]",
            "[{queryParams: {q: {exact: ab}}, withoutHeaders: {w: null}}]",
            "[{queryParams: {q: {exact: ab}}, withoutHeaders: {w: null}}]",
        ),
        (
            "[{uri: {prefix: /a}}, {uri: {prefix: /}}]",
            "[{uri: {prefix: /a/b}}, {uri: {prefix: /c}}]",
            "[{uri: {prefix: /a/b}}, {uri: {prefix: /a/b}}, {uri: {prefix: /c}}]",
        ),
    ],
)
def test_case_30_conditions_of_both_have_to_hold(root: str, own: str, expected: str) -> None:
    assert merged(root, own) == matches(expected)


@pytest.mark.parametrize(
    ("root", "own"),
    [
        (PREFIX_API, "[{uri: {exact: /other}}]"),
        (PREFIX_API, "[{uri: {prefix: /}}]"),
        (PREFIX_API, "[{uri: {regex: /api/.*}}]"),
        (PREFIX_API, "[{uri: {}}]"),
        ("[{uri: {regex: /a}}]", "[{uri: {regex: /a}}]"),
        ("[{uri: {exact: /a}}]", "[{uri: {prefix: /a}}]"),
        ("[{uri: {}}]", "[{uri: {exact: /a}}]"),
        ("[{headers: {h: {exact: a}}}]", "[{headers: {h: {exact: b}}}]"),
        ("[{withoutHeaders: {h: {exact: a}}}]", "[{withoutHeaders: {h: {exact: b}}}]"),
        ("[{queryParams: {h: {exact: a}}}]", "[{queryParams: {h: {exact: b}}}]"),
        ("[{scheme: {exact: http}}]", "[{scheme: {exact: https}}]"),
        ("[{authority: {exact: a}}]", "[{authority: {exact: b}}]"),
        ("[{ignoreUriCase: true}]", "[{}]"),
        ("[{port: 80}]", "[{port: 81}]"),
        ("[{sourceNamespace: a}]", "[{}]"),
        ("[{sourceNamespace: a}]", "[{sourceNamespace: b}]"),
        ("[{sourceLabels: {a: x}}]", "[{sourceLabels: {a: y}}]"),
        ("[{gateways: [a]}]", "[{gateways: [a, b]}]"),
        (PREFIX_API, "[{uri: {exact: /api/v1}}, {uri: {exact: /other}}]"),
    ],
)
def test_case_30_a_rule_that_reaches_beyond_its_root_is_dropped(root: str, own: str) -> None:
    assert merged(root, own) is None


def inherited(root: str, own: str) -> HTTPRoute:
    (found,) = merge_rules(rule(root), [rule(own)])
    return found


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("rewrite: {uri: /a}", "rewrite: {uri: /b}"),
        ("directResponse: {status: 200}", "directResponse: {status: 201}"),
        ("timeout: 1s", "timeout: 2s"),
        ("retries: {attempts: 1}", "retries: {attempts: 2}"),
        ("fault: {abort: {httpStatus: 500}}", "fault: {abort: {httpStatus: 501}}"),
        ("mirror: {host: a}", "mirror: {host: b}"),
        ("mirrors: [{destination: {host: a}}]", "mirrors: [{destination: {host: b}}]"),
        ("mirrorPercent: 1", "mirrorPercent: 2"),
        ("mirrorPercentage: {value: 1}", "mirrorPercentage: {value: 2}"),
        ("corsPolicy: {maxAge: 1s}", "corsPolicy: {maxAge: 2s}"),
        ("headers: {request: {set: {a: b}}}", "headers: {response: {set: {c: d}}}"),
    ],
)
def test_case_30_what_a_delegate_leaves_open_is_the_roots(text: str, other: str) -> None:
    assert inherited(f"{{{text}}}", "{}") == rule(f"{{{text}}}")
    assert inherited(f"{{{text}}}", f"{{{other}}}") == rule(f"{{{other}}}")


@pytest.mark.parametrize(("root", "own", "name"), [("r", "d", "r-d"), ("r", "", "r"), ("", "d", "d"), ("", "", "")])
def test_case_30_names_are_joined(root: str, own: str, name: str) -> None:
    assert inherited(f"{{name: '{root}'}}", f"{{name: '{own}'}}").name == name
