"""What the debug pages show, as plain values."""

from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.finding import Finding
from fairlead.ledger import PushLedger
from fairlead.proxies import Proxies
from translator.model.proxy import Proxy
from xds.client import Client, TypeStatus
from xds.types import short_name


def describe_proxies(proxies: Proxies) -> list[dict[str, Any]]:
    """Every connected proxy and how far it is with each type of resource."""
    return [_describe_proxy(client, binding.proxy) for client, binding in proxies]


def describe_pushes(ledger: PushLedger) -> list[dict[str, Any]]:
    """The newest pushes, the newest first."""
    return [push.summary() for push in ledger]


def describe_findings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """What is wrong with the input."""
    return [finding.fields() for finding in findings]


def _describe_proxy(client: Client, proxy: Proxy) -> dict[str, Any]:
    return {
        "proxy": proxy.id,
        "node": client.node_id,
        "role": proxy.role.value,
        "namespace": proxy.namespace,
        "addresses": proxy.addresses,
        "cluster": proxy.cluster_id,
        "labels": dict(proxy.labels),
        "stream": client.id,
        "peer": client.peer,
        "protocol": client.protocol,
        "connected_at": client.connected_at,
        "types": {short_name(status.type_url): _describe_type(status) for status in client.status()},
    }


def _describe_type(status: TypeStatus) -> dict[str, Any]:
    return {
        "state": status.state.value,
        "wildcard": status.wildcard,
        "names": sorted(status.names),
        "version_sent": status.version_sent,
        "version_acked": status.version_acked,
        "error": status.error,
        "rejected": [msgspec.to_builtins(rejection, enc_hook=str) for rejection in status.rejections],
        "responses": status.responses,
        "resources": status.resources,
        "acks": status.acks,
        "nacks": status.nacks,
    }
