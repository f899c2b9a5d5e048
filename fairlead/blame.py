"""Says which objects are to blame: for resources that cannot be built, and for those that a proxy refuses."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import structlog

from fairlead.pace import Later
from fairlead.proxies import Proxies
from translator.translator import Translator
from translator.view import Failure, View
from xds.events import Event, Nacked, StreamClosed, StreamOpened, StreamRefused
from xds.types import TypeUrl, short_name

_Known = tuple[TypeUrl, str, str]


class Blame:
    """Logs each fault once, with the objects behind it."""

    def __init__(self, translator: Translator, proxies: Proxies) -> None:
        self._translator = translator
        self._proxies = proxies
        self._failures: dict[View, set[_Known]] = {}
        self._log: Any = structlog.get_logger("fairlead.blame")
        self._later = Later()

    def report_failures(self, view: View) -> None:
        """Log what could not be built for a View and was not logged before, for this one or another."""
        if not view.failures:
            self._failures.pop(view, None)
            return
        current = {_identify(failure): failure for failure in view.failures}
        known = {each for failures in self._failures.values() for each in failures}
        self._failures[view] = set(current)
        for identity, failure in current.items():
            if identity not in known:
                self._log.error(
                    "resource.failed",
                    type=short_name(failure.type_url),
                    resource=failure.name or "(the list of resources)",
                    part=failure.part or None,
                    query=failure.error.failed,
                    objects=[str(key) for key in self._translator.blamed(failure)],
                    effect="the last good version of this part stays in force"
                    if failure.part
                    else "its last good version stays in force",
                    exc_info=failure.error.__cause__ or failure.error,
                )

    def forget_dropped(self, views: Iterable[View]) -> None:
        """Forget about Views that are gone."""
        if self._failures:
            alive = set(views)
            self._failures = {view: known for view, known in self._failures.items() if view in alive}

    def observe(self, event: Event | StreamRefused) -> None:
        """Log what happens on the streams that people want to read about."""
        match event:
            case Nacked():
                self._report_nack(event)
            case StreamOpened() | StreamClosed():
                self._later.do(partial(self._report_stream, event))
            case StreamRefused():
                self._log.warning("stream.refused", peer=event.peer, code=event.code.name, reason=event.reason)
            case _:
                pass

    def finish(self) -> None:
        """Log what is left: the process is about to end."""
        self._later.finish()

    def _report_stream(self, event: StreamOpened | StreamClosed) -> None:
        client = event.client
        facts = {"proxy": client.node_id, "stream": client.id}
        if isinstance(event, StreamOpened):
            self._log.info("proxy.connected", **facts, peer=client.peer, protocol=client.protocol)
        else:
            code = event.code.name if event.code else "OK"
            self._log.info("proxy.disconnected", **facts, code=code, reason=event.reason)

    def _report_nack(self, event: Nacked) -> None:
        binding = self._proxies.binding_of(event.client)
        for name in event.rejected or event.names:
            self._log.error(
                "proxy.nack",
                proxy=event.client.node_id,
                type=short_name(event.type_url),
                resource=name,
                error=event.error,
                objects=self._objects(binding.view, event.type_url, name) if binding else [],
                effect="the proxy keeps the version it has, and is not sent the same again",
            )

    def _objects(self, view: View, type_url: TypeUrl, name: str) -> list[str]:
        return [str(key) for key in self._translator.origins(view, type_url, name)]


def _identify(failure: Failure) -> _Known:
    return failure.type_url, failure.name, f"{failure.part} {failure.error.failed}: {failure.error.__cause__!r}"
