"""Rules for ports: numbers, names, protocols. Each function returns what is wrong, or an empty text."""

from translator.model.protocol import Protocol, parse_protocol
from translator.validation.hostname import is_dns_label


def port_fault(number: int) -> str:
    """Rule: a port number."""
    return "" if 1 <= number <= 65535 else f"port {number} is not in the range 1..65535"


def port_name_fault(name: str) -> str:
    """Rule: the name of a port is a DNS label."""
    return "" if is_dns_label(name) else f"{name!r} is not a port name (letters, digits and inner '-', at most 63)"


def protocol_fault(name: str) -> str:
    """Rule: a protocol that is known by name; an empty one is found out per connection."""
    if not name or parse_protocol(name) is not Protocol.AUTO:
        return ""
    known = ", ".join(protocol.value for protocol in Protocol if protocol is not Protocol.AUTO)
    return f"unknown protocol {name!r} (known: {known})"
