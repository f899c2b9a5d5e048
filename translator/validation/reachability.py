"""Warnings about rules of a VirtualService that no traffic can reach, because an earlier rule takes all of it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from translator.objects.meta import Message
from translator.objects.virtual_service import HTTPMatchRequest, HTTPRoute, StringMatch
from translator.validation.report import Report


class Rule(Protocol):
    """An HTTP, TLS or TCP rule."""

    @property
    def match(self) -> Sequence[Message]:
        """Its conditions; without any it takes everything."""


def check_reachable(report: Report, path: str, rules: Sequence[Rule]) -> None:
    """Warn about rules behind one without conditions, and about conditions that an earlier rule has too."""
    first_with: dict[bytes, int] = {}
    catch_all: int | None = None
    for position, rule in enumerate(rules):
        entry = f"{path}[{position}]"
        if catch_all is not None:
            report.warn(entry, f"is never reached: {path}[{catch_all}] has no match and takes everything")
        if not rule.match:
            catch_all = position if catch_all is None else catch_all
            continue
        duplicates = 0
        for index, match in enumerate(rule.match):
            earlier = first_with.setdefault(_fingerprint(match), position)
            if earlier != position:
                duplicates += 1
                report.warn(f"{entry}.match[{index}]", f"has no effect: {path}[{earlier}] has the same match")
        if duplicates == len(rule.match):
            report.warn(entry, "is never reached: earlier rules have all of its matches")


def check_prefixes(report: Report, path: str, rules: Sequence[HTTPRoute]) -> None:
    """Warn about a prefix match behind a shorter prefix under conditions that are equal or weaker."""
    seen: list[tuple[str, HTTPMatchRequest, str]] = []
    for position, rule in enumerate(rules):
        for index, match in enumerate(rule.match):
            entry = f"{path}[{position}].match[{index}]"
            prefix = match.uri.prefix if match.uri else None
            if not prefix:
                continue
            shadow = next((place for place, other, short in seen if _shadows(other, short, match, prefix)), None)
            if shadow:
                report.warn(entry, f"has no effect: the shorter prefix of {shadow} takes the same requests")
            seen.append((entry, match, prefix))


def _fingerprint(match: Message) -> bytes:
    """Equal for matches that hold for the same traffic; a name and a prefix of statistics change nothing."""
    unnamed = msgspec.structs.replace(match, name="", stat_prefix="") if isinstance(match, HTTPMatchRequest) else match
    return msgspec.json.encode(unnamed, order="deterministic")


def _shadows(wide: HTTPMatchRequest, short: str, narrow: HTTPMatchRequest, long: str) -> bool:
    if len(short) >= len(long) or not long.startswith(short) or wide.ignore_uri_case != narrow.ignore_uri_case:
        return False
    same_place = (wide.port, wide.gateways, wide.source_labels, wide.source_namespace) == (
        narrow.port,
        narrow.gateways,
        narrow.source_labels,
        narrow.source_namespace,
    )
    return (
        same_place
        and _is_wider(wide.method, narrow.method)
        and _is_wider(wide.authority, narrow.authority)
        and _is_wider(wide.scheme, narrow.scheme)
        and _are_wider(wide.headers, narrow.headers)
        and _are_wider(wide.query_params, narrow.query_params)
        and _are_wider(wide.without_headers, narrow.without_headers)
    )


def _is_wider(wide: StringMatch | None, narrow: StringMatch | None) -> bool:
    return wide is None or wide == narrow


def _are_wider(wide: Mapping[str, StringMatch | None], narrow: Mapping[str, StringMatch | None]) -> bool:
    return all(name in narrow and condition == narrow[name] for name, condition in wide.items())
