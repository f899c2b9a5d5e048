"""The algebra of hostnames: normal form, wildcards, which of two patterns covers the other, specificity.

A pattern is a lower-case DNS name, ``*``, or ``*`` followed by a suffix (``*.example.com``). Istio: a wildcard
covers names of any depth below its suffix but not the suffix itself.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")


def normalize_host(host: str) -> str:
    """Hosts are compared and emitted in lower case."""
    return host.lower()


def is_wildcard(host: str) -> bool:
    """Whether ``host`` is a pattern and not a single name."""
    return host.startswith("*")


def is_ip(host: str) -> bool:
    """Whether ``host`` is an IP address literal."""
    if ":" not in host:
        # Asked for every endpoint: much faster than ip_address, and of one mind with it.
        return _IPV4.fullmatch(host) is not None
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def covers(pattern: str, host: str) -> bool:
    """Whether every name that ``host`` stands for is also one of ``pattern`` (Istio: "subset of")."""
    if pattern in (host, "*"):
        return True
    if not pattern.startswith("*"):
        return False
    suffix = pattern[1:]
    if host.startswith("*"):
        return host[1:].endswith(suffix)
    return len(host) > len(suffix) and host.endswith(suffix)


def overlaps(one: str, other: str) -> bool:
    """Whether some name belongs to both patterns: for this algebra, whether one covers the other."""
    return covers(one, other) or covers(other, one)


def specificity(pattern: str) -> tuple[bool, int, str]:
    """A sort key, most specific first: exact names before wildcards, longer before shorter, then alphabetical."""
    return (is_wildcard(pattern), -len(pattern), pattern)


def most_specific(patterns: Iterable[str], host: str) -> str | None:
    """The most specific pattern that covers ``host``, or None."""
    return min((pattern for pattern in patterns if covers(pattern, host)), key=specificity, default=None)


def covering_patterns(host: str) -> Iterable[str]:
    """Every pattern of whole labels that covers ``host``, most specific first: a table of them can be looked up.

    Those whose first label is more than ``*`` (``*-a.example.com``) are too many to be listed.
    """
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        pattern = "*." + rest
        if pattern != host:
            yield pattern
    if host != "*":
        yield "*"


def resolve_short_name(host: str, namespace: str, domain_suffix: str) -> str:
    """Istio: a name without a dot means a service of the object's own namespace; everything else stays as it is."""
    host = normalize_host(host)
    if "." in host or "*" in host or not host or is_ip(host):
        return host
    return f"{host}.{namespace}.svc.{domain_suffix}"


def kubernetes_host(name: str, namespace: str, domain_suffix: str) -> str:
    """The fully qualified name of a Kubernetes Service."""
    return f"{name}.{namespace}.svc.{domain_suffix}"
