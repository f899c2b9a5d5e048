"""Rules for IP addresses, subnets and Unix domain sockets. Each function returns what is wrong, or an empty text."""

from ipaddress import ip_network
from typing import Final

from translator.model.host import is_ip

UNIX_PREFIX: Final = "unix://"


def ip_fault(text: str) -> str:
    """Rule: an IP address."""
    return "" if is_ip(text) else f"{text!r} is not an IP address"


def subnet_fault(text: str) -> str:
    """Rule: an IP address, or a subnet in CIDR form (bits beyond the prefix are ignored)."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is neither an IP address nor a subnet"
    return ""


def unix_fault(text: str) -> str:
    """Rule: ``unix://`` with an absolute path of a socket, or with an abstract name (``@name``)."""
    path = text.removeprefix(UNIX_PREFIX)
    if path.startswith("@") or (path.startswith("/") and not path.endswith("/")):
        return ""
    return f"{text!r} is not the absolute path of a socket"
