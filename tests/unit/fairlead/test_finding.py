"""Findings as people read them."""

from fairlead.finding import Finding, Place
from translator.diagnostics import Severity
from translator.objects.registry import Kind, ObjectKey


def test_places() -> None:
    assert str(Place("a.yaml")) == "a.yaml"
    assert str(Place("a.yaml", 1, 3)) == "a.yaml:3"
    assert str(Place("a.yaml", 2, 3)) == "a.yaml:3 (document 2)"


def test_findings() -> None:
    key = ObjectKey(Kind.SERVICE, "shop", "web")
    finding = Finding(
        severity=Severity.WARNING,
        code="X1",
        subject=str(key),
        path="spec.x",
        message="is odd",
        place=Place("a.yaml", 1, 3),
        key=key,
    )
    assert str(finding) == "a.yaml:3: warning: Service shop/web: spec.x: is odd [X1]"
    nowhere = Finding(severity=Severity.ERROR, code="X2", subject="a.yaml", message="is broken", place=Place("a.yaml"))
    assert str(nowhere) == "a.yaml: error: is broken [X2]"
    assert nowhere.fields() == {
        "severity": "error",
        "code": "X2",
        "object": "a.yaml",
        "file": "a.yaml",
        "reason": "is broken",
    }
