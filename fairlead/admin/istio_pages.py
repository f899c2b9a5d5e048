"""Istio's debug pages, for tools that know them; those that mean something here. None of them shows a private key."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from time import time
from typing import Any, Final

import msgspec
from google.protobuf.json_format import MessageToDict

from fairlead.admin.page import Page, PageError, Parameters
from fairlead.proto_json import SERVED_TYPES, render_view
from fairlead.proxies import Proxies
from translator.model.proxy import Proxy
from translator.objects.registry import BY_KIND
from translator.translator import Translator
from xds.client import Client, TypeStatus
from xds.types import CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, TypeUrl

# Istio: the fields of /debug/syncz before there was one entry per type.
_SYNC_FIELDS: Final = {
    CLUSTER: "cluster",
    LISTENER: "listener",
    ROUTE: "route",
    ENDPOINT: "endpoint",
    EXTENSION_CONFIG: "extensionconfig",
}


class IstioPages:
    """The pages of one control plane."""

    def __init__(self, translator: Translator, proxies: Proxies) -> None:
        self._translator = translator
        self._proxies = proxies

    def pages(self) -> dict[str, Page]:
        """Every page by its path."""
        pages: dict[str, Page] = {
            "/debug/syncz": self.syncz,
            "/debug/adsz": self.adsz,
            "/debug/connections": self.connections,
            "/debug/config_dump": self.config_dump,
            "/debug/edsz": lambda parameters: self.config_dump({**parameters, "types": "eds"}),
            "/debug/configz": self.configz,
            "/debug/mesh": self.mesh,
        }
        names = sorted(["list", *(path.rpartition("/")[2] for path in pages)])
        return {**pages, "/debug/list": lambda _: names}

    def syncz(self, parameters: Parameters) -> list[dict[str, Any]]:
        """How far every proxy is, by the nonces that it was sent and has acknowledged."""
        wanted = parameters.get("namespace")
        chosen = [(c, p) for c, p in self._connected() if wanted in (None, p.namespace)]
        chosen.sort(key=lambda pair: (pair[1].cluster_id, pair[1].namespace, pair[1].id, pair[0].id))
        return [_describe_sync(client, proxy) for client, proxy in chosen]

    def adsz(self, parameters: Parameters) -> dict[str, Any]:
        """Every connected proxy with what it says of itself and what it watches."""
        if "push" in parameters:
            raise PageError(400, "there is nothing to push: proxies get every change by themselves")
        clients = [_describe_watches(*pair) for pair in self._selected(parameters.get("proxyID", ""))]
        return {"totalClients": len(clients), "clients": clients}

    def connections(self, parameters: Parameters) -> dict[str, Any]:
        """Every connected proxy, in short."""
        clients = [_describe_connection(*pair) for pair in self._selected(parameters.get("proxyID", ""))]
        return {"totalClients": len(clients), "clients": clients}

    def config_dump(self, parameters: Parameters) -> dict[str, Any]:
        """What a proxy has, or is about to get, as an ``envoy.admin.v3.ConfigDump``; ``types`` makes it a flat list."""
        proxy_id = parameters.get("proxyID")
        if not proxy_id:
            raise PageError(400, "which proxy? Say proxyID=NAME.NAMESPACE")
        client, _ = next(self._selected(proxy_id), (None, None))
        binding = self._proxies.binding_of(client) if client is not None else None
        if binding is None:
            raise PageError(404, f"no proxy {proxy_id!r} is connected")
        if "types" in parameters:
            rendered = render_view(binding.view, _types(parameters["types"])).values()
            return {"configs": [resource for resources in rendered for resource in resources]}
        # Its messages are of no use to anything else.
        from fairlead.admin.config_dump import dump_view  # noqa: PLC0415 - 0.03 s of every start

        return MessageToDict(dump_view(binding.view, with_endpoints="include_eds" in parameters))

    def configz(self, _: Parameters) -> list[dict[str, Any]]:
        """Every object of Istio's kinds that is in force."""
        store = self._translator.db.store
        found = []
        for key in sorted(store.keys()):
            spec, value = BY_KIND[key.kind], store.get(key)
            if spec.is_istio and value is not None:
                named = {"apiVersion": f"{spec.group}/{spec.versions[0]}", "kind": str(key.kind)}
                found.append({**named, **_without_nulls(msgspec.to_builtins(value, enc_hook=str))})
        return found

    def mesh(self, _: Parameters) -> Any:  # noqa: ANN401 - JSON
        """The MeshConfig in force."""
        return _without_nulls(msgspec.to_builtins(self._translator.db.settings.mesh, enc_hook=str))

    def _connected(self) -> Iterator[tuple[Client, Proxy]]:
        return ((client, binding.proxy) for client, binding in self._proxies)

    def _selected(self, proxy_id: str) -> Iterator[tuple[Client, Proxy]]:
        # Istio: any part of the connection's id will do.
        return (pair for pair in self._connected() if proxy_id in _connection_id(*pair))


def _connection_id(client: Client, proxy: Proxy) -> str:
    return f"{proxy.id}-{client.id}"


def _describe_connection(client: Client, proxy: Proxy) -> dict[str, Any]:
    return {
        "connectionId": _connection_id(client, proxy),
        "connectedAt": _moment(client.connected_at),
        "address": client.peer,
    }


def _describe_watches(client: Client, proxy: Proxy) -> dict[str, Any]:
    return {
        **_describe_connection(client, proxy),
        "labels": dict(proxy.labels),
        "metadata": MessageToDict(client.node.message.metadata),
        "locality": MessageToDict(client.node.message.locality),
        "watches": {status.type_url: sorted(status.names) for status in client.status()},
    }


def _describe_sync(client: Client, proxy: Proxy) -> dict[str, Any]:
    statuses = {status.type_url: status for status in client.status()}
    nonces = {}
    for type_url, field in _SYNC_FIELDS.items():
        status = statuses.get(type_url)
        nonces[f"{field}_sent"] = status.nonce_sent if status else ""
        nonces[f"{field}_acked"] = status.nonce_acked if status else ""
    return {
        "cluster_id": proxy.cluster_id,
        "proxy": proxy.id,
        "proxy_type": proxy.role.value,
        "istio_version": MessageToDict(client.node.message.metadata).get("ISTIO_VERSION", ""),
        **nonces,
        "resources": {type_url: _describe_type(status) for type_url, status in statuses.items()},
    }


def _describe_type(status: TypeStatus) -> dict[str, Any]:
    described: dict[str, Any] = {"sent": status.nonce_sent, "acked": status.nonce_acked}
    if status.sent_at is not None:
        described["sentTime"] = _moment(time() - asyncio.get_running_loop().time() + status.sent_at)
    if status.error is not None:
        described["lastError"] = status.error
    return described


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _types(listed: str) -> list[TypeUrl]:
    unknown = [name for name in listed.split(",") if name not in SERVED_TYPES]
    if unknown:
        raise PageError(400, f"unknown type {unknown[0]!r}; there are {', '.join(SERVED_TYPES)}")
    return [SERVED_TYPES[name] for name in listed.split(",")]


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(inner) for inner in value]
    return value
