"""All that is wrong with what API servers hold and say, by what it is about: findings for the board."""

import asyncio
from collections.abc import Hashable

from fairlead.finding import Finding


class FaultBook:
    """The current findings of every object and every cluster. ``changed`` is set when there are others."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._findings: dict[Hashable, tuple[Finding, ...]] = {}

    def note(self, about: Hashable, findings: tuple[Finding, ...]) -> None:
        """These are the findings about something from now on."""
        if self._findings.get(about, ()) == findings:
            return
        if findings:
            self._findings[about] = findings
        else:
            del self._findings[about]
        self.changed.set()

    def about(self, subject: Hashable) -> tuple[Finding, ...]:
        """The findings about something."""
        return self._findings.get(subject, ())

    def take(self) -> tuple[Finding, ...]:
        """All findings, until ``changed`` again."""
        self.changed.clear()
        return tuple(finding for findings in self._findings.values() for finding in findings)
