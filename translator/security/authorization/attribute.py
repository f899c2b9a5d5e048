"""How values of a policy's fields become matchers, and what happens to those that cannot."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Final, Generic, NamedTuple, TypeVar

from envoy.config.core.v3 import address_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import string_pb2

from translator.pb import uint32

_ItemT = TypeVar("_ItemT")
_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")
_ANY: Final = ".+"


class UnusableError(ValueError):
    """A value that no matcher can be made of, or not for connections that are not HTTP."""


class Attribute(NamedTuple, Generic[_ItemT]):
    """A field of a rule: one of ``values`` has to match if there are any, and none of ``excluded``."""

    values: tuple[str, ...]
    excluded: tuple[str, ...]
    match: Callable[[str], list[_ItemT]]


class Matches(NamedTuple, Generic[_ItemT]):
    """The matchers of an attribute."""

    wanted: list[_ItemT]
    unwanted: list[_ItemT]


def match_attribute(attribute: Attribute[_ItemT], *, strict: bool) -> Matches[_ItemT]:
    """The matchers of an attribute's values.

    Istio: one unusable value makes a rule that allows void (``strict``: UnusableError), and is left out of others,
    which then match more. Either way nobody gets in by it.
    """

    def matchers(values: Iterable[str]) -> list[_ItemT]:
        found: list[_ItemT] = []
        for value in values:
            try:
                found += attribute.match(value)
            except UnusableError:
                if strict:
                    raise
        return found

    return Matches(matchers(attribute.values), matchers(attribute.excluded))


def quote(text: str) -> str:
    """The regular expression that matches the text and nothing else."""
    return _SPECIAL.sub(r"\\\1", text)


def build_regex(regex: str) -> string_pb2.StringMatcher:
    """A matcher of whole texts."""
    matcher = string_pb2.StringMatcher()
    matcher.safe_regex.regex = regex
    return matcher


def build_string(value: str, *, ignore_case: bool = False) -> string_pb2.StringMatcher:
    """Istio: ``*`` is any text but an empty one, ``*x`` an ending, ``x*`` a beginning, all else the text itself."""
    if value == "*":
        return build_regex(_ANY)
    if value.startswith("*"):
        return string_pb2.StringMatcher(suffix=value[1:], ignore_case=ignore_case)
    if value.endswith("*"):
        return string_pb2.StringMatcher(prefix=value[:-1], ignore_case=ignore_case)
    return string_pb2.StringMatcher(exact=value, ignore_case=ignore_case)


def build_header(name: str, value: str, *, ignore_case: bool = False) -> route_components_pb2.HeaderMatcher:
    """As ``build_string``, for a header; ``*`` asks for its presence."""
    if value == "*":
        return route_components_pb2.HeaderMatcher(name=name, present_match=True)
    return route_components_pb2.HeaderMatcher(name=name, string_match=build_string(value, ignore_case=ignore_case))


def build_range(text: str) -> address_pb2.CidrRange:
    """An address or a subnet."""
    try:
        network = ip_network(text, strict=False)
    except ValueError as fault:
        raise UnusableError(str(fault)) from fault
    if "%" in text:
        raise UnusableError(f"{text} names a zone")
    return address_pb2.CidrRange(address_prefix=str(network.network_address), prefix_len=uint32(network.prefixlen))


def bracketed(key: str, prefix: str) -> str:
    """What stands between the brackets of ``prefix[...]``; UnusableError for any other form."""
    rest = key.removeprefix(prefix)
    if not (key.startswith(prefix) and rest.startswith("[") and rest.endswith("]")):
        raise UnusableError(key)
    return rest[1:-1]
