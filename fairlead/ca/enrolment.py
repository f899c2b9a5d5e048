"""Certificates of connected proxies: each gets one of its own, another one in time, and follows a change of the CA."""

import asyncio
import datetime as dt
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from fairlead.authentication.principal import Principal
from fairlead.ca.authority import Authority, merge_roots
from fairlead.ca.error import AuthorityError
from translator.security.identity_secret import certificate_secret, roots_secret
from xds.client import Client
from xds.events import Event, StreamRefused
from xds.resource import Resource
from xds.types import SECRET

Give = Callable[[Client, Iterable[Resource]], None]

# Proxies that connected in one moment are not to renew in one moment.
_JITTER: Final = 0.1
_RETRY: Final = 60.0
# How long a step of a change of CA waits for proxies that do not answer.
_PATIENCE: Final = 60.0


@dataclass(slots=True)
class _Member:
    """A proxy with a certificate of the mesh, and when it gets another one."""

    client: Client
    principal: Principal
    certificate: Resource
    timer: asyncio.TimerHandle | None = None


class Enrolment:
    """Issues certificates to proxies over their own streams; keys are in no other place."""

    def __init__(
        self, authority: Authority, lifetime: dt.timedelta, give: Give, *, patience: float = _PATIENCE
    ) -> None:
        """``give`` serves resources to one client; ``patience`` is for proxies that do not answer, in seconds."""
        self._authority = authority
        self._roots = roots_secret(authority.roots)
        self._root_bundle = authority.roots
        self._lifetime = lifetime
        self._give = give
        self._patience = patience
        self._members: dict[int, _Member] = {}
        self._answered = asyncio.Event()
        self._log: Any = structlog.get_logger("fairlead.ca")

    @property
    def authority(self) -> Authority:
        """Who signs now."""
        return self._authority

    @property
    def roots(self) -> bytes:
        """Whom everybody trusts now, in PEM."""
        return self._root_bundle

    def enrol(self, client: Client, principal: Principal) -> None:
        """Give a client its first certificate. Raises AuthorityError."""
        member = _Member(client, principal, self._issue(principal))
        self._members[client.id] = member
        self._give(client, [member.certificate, self._roots])
        self._schedule(member)

    def release(self, client: Client) -> None:
        """The client is gone."""
        member = self._members.pop(client.id, None)
        if member is not None and member.timer is not None:
            member.timer.cancel()
        self._answered.set()

    def observe(self, event: Event | StreamRefused) -> None:
        """See the server's events: any of them may be the answer that is waited for."""
        del event
        self._answered.set()

    async def adopt(self, authority: Authority) -> None:
        """Let another authority sign from now on, without a handshake that fails in between.

        First everybody trusts the roots of both, then everybody gets a certificate of the new one, then the old roots
        go. Each step waits until all proxies have taken the one before.
        """
        self._log.info("ca.changing", subject=authority.certificate.subject.rfc4514_string())
        await self._trust(merge_roots(self._root_bundle, authority.roots))
        self._authority = authority
        for member in list(self._members.values()):
            self._renew(member)
            await asyncio.sleep(0)
        await self._settled(lambda member: member.certificate)
        await self._trust(authority.roots)
        self._log.info("ca.changed", serial=f"{authority.certificate.serial_number:x}", proxies=len(self._members))

    async def _trust(self, roots: bytes) -> None:
        self._root_bundle, self._roots = roots, roots_secret(roots)
        for member in list(self._members.values()):
            self._give(member.client, [self._roots])
        await self._settled(lambda _: self._roots)

    async def _settled(self, wanted: Callable[[_Member], Resource]) -> None:
        """Wait until every proxy has taken a resource; those that are gone, or never asked for it, do not count."""
        try:
            async with asyncio.timeout(self._patience):
                while not all(_has_taken(member.client, wanted(member)) for member in self._members.values()):
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            late = [
                member.client.node_id
                for member in self._members.values()
                if not _has_taken(member.client, wanted(member))
            ]
            self._log.warning("ca.unanswered", proxies=late[:10], count=len(late), seconds=self._patience)

    def _issue(self, principal: Principal) -> Resource:
        credential = self._authority.issue([principal.name], self._lifetime)
        return certificate_secret(credential.chain, credential.key)

    def _renew(self, member: _Member) -> None:
        try:
            member.certificate = self._issue(member.principal)
        except AuthorityError as error:
            self._log.error("ca.failed", principal=member.principal.name, reason=str(error))
            self._schedule(member, _RETRY)
            return
        self._give(member.client, [member.certificate])
        self._schedule(member)

    def _schedule(self, member: _Member, delay: float | None = None) -> None:
        if member.timer is not None:
            member.timer.cancel()
        if delay is None:
            left = min(self._lifetime, self._authority.certificate.not_valid_after_utc - dt.datetime.now(dt.UTC))
            delay = max(1.0, left.total_seconds() / 2) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads
        member.timer = asyncio.get_running_loop().call_later(delay, self._renew, member)


def _has_taken(client: Client, resource: Resource) -> bool:
    held = client.held(SECRET, resource.name)
    if held is not None:
        return held.version == resource.version
    return all(resource.name not in status.names for status in client.status() if status.type_url == SECRET)
