"""Every rule for PeerAuthentication: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, row_ids, warnings

WEB = "selector: {matchLabels: {app: web}}"
BROKEN: list[Row] = [
    ("{selector: {matchLabels: {app: '*'}}}", "spec.selector.matchLabels[app]", "wildcards"),
    ("{selector: {matchLabels: {'': web}}}", "spec.selector.matchLabels[]", "empty key"),
    ("{portLevelMtls: {80: {mode: STRICT}}}", "spec.portLevelMtls", "needs a selector"),
    ("{selector: {}, portLevelMtls: {80: {mode: STRICT}}}", "spec.portLevelMtls", "needs a selector"),
    (f"{{{WEB}, portLevelMtls: {{}}}}", "spec.portLevelMtls", "at least one"),
    (f"{{{WEB}, portLevelMtls: {{0: {{mode: STRICT}}}}}}", "spec.portLevelMtls[0]", "1..65535"),
    (f"{{{WEB}, portLevelMtls: {{http: {{mode: STRICT}}}}}}", "spec.portLevelMtls[http]", "not a port number"),
]
HOLDS = [
    "{}",
    "{mtls: {mode: STRICT}}",
    f"{{{WEB}, mtls: {{}}}}",
    f"{{{WEB}, mtls: {{mode: UNSET}}, portLevelMtls: {{8080: {{mode: DISABLE}}, '9090': {{mode: PERMISSIVE}}}}}}",
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_broken(spec: str, path: str, reason: str) -> None:
    found = errors("PeerAuthentication", spec)
    assert any(at == path and reason in why for at, why in found), found


@pytest.mark.parametrize("spec", HOLDS)
def test_holds(spec: str) -> None:
    assert errors("PeerAuthentication", spec) == []
    assert warnings("PeerAuthentication", spec) == []


def test_a_selector_without_labels_is_worth_a_word() -> None:
    assert warnings("PeerAuthentication", "{selector: {}}") != []
