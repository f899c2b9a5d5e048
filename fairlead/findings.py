"""All that is wrong with the input at this moment, kept up to date, and logged once when it comes and goes."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import structlog

from fairlead.finding import Finding
from fairlead.metrics import Metrics
from translator.diagnostics import Severity

_LEVELS: Final = {Severity.ERROR: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}


class FindingBoard:
    """The current findings of each origin (what the files hold, what the objects say together)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._findings: dict[str, frozenset[Finding]] = {}
        self._log: Any = structlog.get_logger("fairlead.findings")

    def replace(self, origin: str, findings: Iterable[Finding]) -> None:
        """These are the findings of an origin from now on; the difference is logged."""
        before, after = self._findings.get(origin, frozenset()), frozenset(findings)
        if before == after:
            return
        self._findings[origin] = after
        for finding in sorted(after - before, key=lambda each: each.rank):
            self._log.log(_LEVELS[finding.severity], "finding.new", **finding.fields())
        for finding in sorted(before - after, key=lambda each: each.rank):
            self._log.info("finding.resolved", **finding.fields())
        self._metrics.count_findings(Counter(finding.severity.value for finding in self))

    def __iter__(self) -> Iterator[Finding]:
        """Every current finding, by place."""
        return iter(sorted((each for part in self._findings.values() for each in part), key=lambda each: each.rank))
