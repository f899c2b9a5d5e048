"""Asks DNS for the addresses of a name."""

import asyncio
from typing import Final

import dns.name
from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, Answer

from fairlead.sources.names import Found

_LIFETIME: Final = 5.0


async def look_up(name: str, resolver: Resolver | None = None) -> Found:
    """What DNS says of a name now; by default it is asked for as the system is set up at this moment.

    The name is taken to be complete: it is not tried with the system's search domains.
    """
    try:
        asked, used = dns.name.from_text(name), resolver or Resolver()
    except DNSException as error:
        return Found(None, None, fault=_describe(error))
    v4, v6 = await asyncio.gather(_resolve(used, asked, "A"), _resolve(used, asked, "AAAA"))
    faults = [each for each in (v4, v6) if isinstance(each, DNSException)]
    answers = [each for each in (v4, v6) if isinstance(each, Answer)]
    return Found(
        _addresses(v4),
        _addresses(v6),
        lifetime=min((each.chaining_result.minimum_ttl for each in answers), default=0),
        fault=_describe(faults[0]) if faults else "",
    )


async def _resolve(resolver: Resolver, name: dns.name.Name, kind: str) -> Answer | DNSException | None:
    """The answer, None for a name that does not exist, or why nobody answered."""
    try:
        return await resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=_LIFETIME, search=False)
    except NXDOMAIN:
        return None
    except DNSException as error:
        return error


def _addresses(answer: Answer | DNSException | None) -> tuple[str, ...] | None:
    if isinstance(answer, DNSException):
        return None
    return tuple(sorted(each.to_text() for each in answer.rrset or ())) if answer else ()


def _describe(error: DNSException) -> str:
    return str(error) or type(error).__name__
