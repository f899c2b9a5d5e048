"""Findings are logged when they come and when they go."""

from structlog.testing import capture_logs

from fairlead.finding import Finding, Place
from fairlead.findings import FindingBoard
from fairlead.metrics import Metrics
from translator.diagnostics import Severity

ONE = Finding(severity=Severity.ERROR, code="X1", subject="Service a", message="one", place=Place("b.yaml", 1, 3))
TWO = Finding(severity=Severity.INFO, code="X2", subject="Service b", message="two", place=Place("a.yaml", 2, 7))


def test_only_differences_are_logged() -> None:
    board = FindingBoard(Metrics())
    with capture_logs() as logs:
        board.replace("source", [ONE])
        board.replace("source", [ONE, TWO])
        board.replace("source", [TWO, ONE])
        board.replace("analysis", [ONE])
        board.replace("source", [TWO])
    assert [(entry["event"], entry["log_level"], entry["reason"]) for entry in logs] == [
        ("finding.new", "error", "one"),
        ("finding.new", "info", "two"),
        ("finding.new", "error", "one"),
        ("finding.resolved", "info", "one"),
    ]


def test_the_list_is_in_order_and_counted() -> None:
    metrics = Metrics()
    board = FindingBoard(metrics)
    board.replace("source", [ONE, TWO])
    assert list(board) == [TWO, ONE]
    assert b'fairlead_findings{severity="error"} 1.0' in metrics.exposition()
    board.replace("source", [])
    assert b'severity="error"' not in metrics.exposition()
