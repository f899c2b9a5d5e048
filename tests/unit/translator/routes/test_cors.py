"""CORS policies."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.routes.cors import build_cors

DEFAULT: Tree = {
    "filter_enabled": {"default_value": {"numerator": 100}},
    "forward_not_matching_preflights": True,
}


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("{}", {}),
        (
            "allowOrigins: [{exact: a}, {prefix: b}, {regex: c.*}]",
            {"allow_origin_string_match": [{"exact": "a"}, {"prefix": "b"}, {"safe_regex": {"regex": "c.*"}}]},
        ),
        ("allowOrigin: [a]", {"allow_origin_string_match": [{"exact": "a"}]}),
        ("{allowOrigin: [a], allowOrigins: [{exact: b}]}", {"allow_origin_string_match": [{"exact": "b"}]}),
        ("allowMethods: [GET, POST]", {"allow_methods": "GET,POST"}),
        ("allowHeaders: [a, b]", {"allow_headers": "a,b"}),
        ("exposeHeaders: [a, b]", {"expose_headers": "a,b"}),
        ("maxAge: 24h", {"max_age": "86400"}),
        ("allowCredentials: true", {"allow_credentials": True}),
        ("allowCredentials: false", {"allow_credentials": False}),
        ("unmatchedPreflights: FORWARD", {}),
        ("unmatchedPreflights: IGNORE", {"forward_not_matching_preflights": False}),
    ],
)
def test_case_22_a_policy_is_encoded(text: str, changes: Tree) -> None:
    policy = http_rule(yaml.safe_dump({"corsPolicy": yaml.safe_load(text), "route": []})).cors_policy
    assert policy is not None
    assert tree(build_cors(policy)) == DEFAULT | changes
