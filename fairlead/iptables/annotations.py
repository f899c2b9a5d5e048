"""Interception as a pod's annotations ask for it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from fairlead.iptables.settings import (
    CaptureSettings,
    parse_capture,
    parse_interfaces,
    parse_networks,
    parse_port,
    parse_ports,
    parse_selected_networks,
    parse_selected_ports,
)

_TRAFFIC: Final = "traffic.sidecar.istio.io"

# The field of the settings that an annotation fills, and how its text is read.
_FIELDS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "sidecar.istio.io/interceptionMode": ("mode", parse_capture),
    f"{_TRAFFIC}/includeInboundPorts": ("include_inbound_ports", parse_selected_ports),
    f"{_TRAFFIC}/excludeInboundPorts": ("exclude_inbound_ports", parse_ports),
    f"{_TRAFFIC}/includeOutboundIPRanges": ("include_networks", parse_selected_networks),
    f"{_TRAFFIC}/excludeOutboundIPRanges": ("exclude_networks", parse_networks),
    f"{_TRAFFIC}/includeOutboundPorts": ("include_outbound_ports", parse_ports),
    f"{_TRAFFIC}/excludeOutboundPorts": ("exclude_outbound_ports", parse_ports),
    f"{_TRAFFIC}/excludeInterfaces": ("exclude_interfaces", parse_interfaces),
    f"{_TRAFFIC}/kubevirtInterfaces": ("reroute_interfaces", parse_interfaces),
    "istio.io/reroute-virtual-interfaces": ("reroute_interfaces", parse_interfaces),
}
_STATUS_PORT: Final = "status.sidecar.istio.io/port"


def parse_annotations(text: str) -> dict[str, str]:
    """The file that Kubernetes' downward API writes: ``key="value"`` lines. Raises ValueError."""
    annotations: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, equals, quoted = line.partition("=")
        try:
            value = json.loads(quoted)
        except ValueError:
            value = None
        if not equals or not isinstance(value, str):
            raise ValueError(f'line {number} is not KEY="VALUE"')
        annotations[key] = value
    return annotations


def annotated_settings(annotations: Mapping[str, str]) -> dict[str, Any]:
    """The fields of CaptureSettings that annotations fill. Raises ValueError naming the annotation.

    Istio: ports excluded by annotation come beside those that the proxy itself serves.
    """
    found: dict[str, Any] = {}
    for name, (field, parse) in _FIELDS.items():
        if name in annotations:
            found[field] = _parse(name, parse, annotations[name])
    own_ports = CaptureSettings().exclude_inbound_ports
    if _STATUS_PORT in annotations:
        status = _parse(_STATUS_PORT, parse_port, annotations[_STATUS_PORT])
        own_ports = (*own_ports[:-1], status)
    if "exclude_inbound_ports" in found or _STATUS_PORT in annotations:
        found["exclude_inbound_ports"] = tuple(dict.fromkeys((*own_ports, *found.get("exclude_inbound_ports", ()))))
    return found


def _parse(name: str, parse: Callable[[str], Any], text: str) -> Any:  # noqa: ANN401 - each has its own type
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"annotation {name}: {error}") from None
