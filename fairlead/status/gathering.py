"""Gathers the facts about one object: what is wrong with it, whom it concerns, who has it and who refuses it."""

from collections.abc import Callable, Iterator

from fairlead.finding import Finding
from fairlead.pace import Pace
from fairlead.proxies import Proxies
from fairlead.status.condition import Facts, Refusal
from translator.diagnostics import Severity
from translator.objects.registry import ObjectKey
from translator.translator import Translator
from translator.view import View
from xds.client import Client, SyncState
from xds.types import short_name

FindingsOf = Callable[[ObjectKey], tuple[Finding, ...]]


class FactGatherer:
    """Reads the state of the translator and of the streams; changes nothing.

    ``own_findings`` are those by the rules of an object's kind, ``mesh_findings`` those by its relations to others.
    """

    def __init__(
        self, translator: Translator, proxies: Proxies, own_findings: FindingsOf, mesh_findings: FindingsOf
    ) -> None:
        self._translator = translator
        self._proxies = proxies
        self._own_findings = own_findings
        self._mesh_findings = mesh_findings

    async def gather(self, key: ObjectKey, generation: int) -> Facts:
        """The facts about an object, in turns with the rest of the loop."""
        own = self._own_findings(key)
        faults = tuple(finding for finding in own if finding.severity is Severity.ERROR)
        views = await self._views(key)
        clients = [client for client, binding in self._proxies if binding.view in views]
        refusals: list[Refusal] = []
        acknowledged = 0
        pace = Pace()
        for client in clients:
            await pace.rest_if_due()
            refused = tuple(self._refusals(client, key))
            refusals += refused
            acknowledged += not refused and _has_newest(client)
        return Facts(
            generation=generation,
            faults=faults,
            failures=tuple(sorted({failure for view in views for failure in self._failures(view, key)})),
            refusals=tuple(sorted(set(refusals))),
            findings=(*(finding for finding in own if finding not in faults), *self._mesh_findings(key)),
            reached=len(clients),
            acknowledged=acknowledged,
        )

    async def _views(self, key: ObjectKey) -> set[View]:
        """The Views in which something depends on the object."""
        pace = Pace()
        views: set[View] = set()
        for node in self._translator.db.iter_dependents(key):
            await pace.rest_if_due()
            views.update(watcher for watcher in node.watchers or () if isinstance(watcher, View))
        return views

    def _refusals(self, client: Client, key: ObjectKey) -> Iterator[Refusal]:
        binding = self._proxies.binding_of(client)
        if binding is None:
            return
        for status in client.status():
            for rejection in status.rejections:
                if key in self._translator.origins(binding.view, status.type_url, rejection.name):
                    resource = f"{short_name(status.type_url)} {rejection.name}"
                    yield Refusal(binding.proxy.id, resource, rejection.reason)

    def _failures(self, view: View, key: ObjectKey) -> Iterator[str]:
        for failure in view.failures:
            if key in self._translator.blamed(failure):
                what = " ".join(filter(None, (short_name(failure.type_url), failure.name, failure.part)))
                yield f"{what} cannot be built: {failure.error.__cause__!r}"


def _has_newest(client: Client) -> bool:
    return all(status.state is not SyncState.STALE for status in client.status())
