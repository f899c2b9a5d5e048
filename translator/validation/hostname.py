"""Rules for names of hosts. Each ``*_fault`` function returns what is wrong, or an empty text."""

import re
from typing import Final

from translator.model.host import is_ip

_LABEL_TEXT: Final = "[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"
_LABEL: Final = re.compile(_LABEL_TEXT)
_WILDCARD_LABEL: Final = re.compile(rf"\*|(?:\*-?)?{_LABEL_TEXT}")
# Istio: how a cluster is named in the SNI of a connection between gateways.
_GENERATED_SNI: Final = re.compile(r"outbound_\.[0-9]+_\.[^.]*_\..*[a-zA-Z].*")
_MAX_NAME: Final = 255
_MAX_LABEL: Final = 63


def is_dns_label(text: str) -> bool:
    """Whether it is a DNS label (RFC 1123) of either case."""
    return len(text) <= _MAX_LABEL and _LABEL.fullmatch(text) is not None


def dns_label_fault(text: str) -> str:
    """Rule: a DNS label."""
    return "" if is_dns_label(text) else f"{text!r} is not a DNS label (letters, digits and inner '-', at most 63)"


def fqdn_fault(name: str) -> str:
    """Rule: a DNS name without wildcard; a trailing dot is allowed."""
    return _length_fault(name) or _labels_fault(name, name)


def wildcard_domain_fault(name: str) -> str:
    """Rule: a DNS name, or one whose first label is ``*`` or begins with it."""
    fault = _length_fault(name)
    if fault:
        return fault
    first, _, rest = name.partition(".")
    if len(first) > _MAX_LABEL or not _WILDCARD_LABEL.fullmatch(first):
        return f"{name!r} is not a DNS name{_hint(name)}"
    return _labels_fault(rest, name) if rest else ""


def is_generated_sni(name: str) -> bool:
    """Whether it is the name of a cluster in SNI form: ``outbound_.80_._.reviews.default.svc.cluster.local``."""
    return len(name) <= _MAX_NAME and _GENERATED_SNI.fullmatch(name) is not None


def address_fault(name: str) -> str:
    """Rule: an IP address or a DNS name."""
    if not name:
        return "must not be empty"
    return "" if is_ip(name) or not fqdn_fault(name) else f"{name!r} is neither an IP address nor a DNS name"


def _length_fault(name: str) -> str:
    if not name:
        return "must not be empty"
    return f"longer than {_MAX_NAME} characters" if len(name) > _MAX_NAME else ""


def _labels_fault(labels: str, name: str) -> str:
    parts = labels.removesuffix(".").split(".")
    if not all(map(is_dns_label, parts)):
        return f"{name!r} is not a DNS name{_hint(name)}"
    if parts[-1].isdigit():
        return f"{name!r} is not a DNS name: its last label is a number"
    return ""


def _hint(name: str) -> str:
    """Why users get this wrong."""
    if "*" in name[1:]:
        return ": '*' may only stand at the beginning"
    if ":" in name and not is_ip(name):
        return ": a port does not belong here"
    return ""
