"""A client of Envoy's admin interface: what the Envoy has, and what it counted."""

from typing import Any, Final

import aiohttp

from fairlead.mesh.connector import build_connector
from fairlead.mesh.envoy_config import EnvoyConfig, parse_config_dump
from fairlead.mesh.netns import NetworkNamespace

_READY: Final = 200
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class EnvoyAdmin:
    """The admin interface on one address. Close it after use."""

    def __init__(self, address: str, namespace: NetworkNamespace | None = None) -> None:
        """Prepare for ``host:port`` (of a namespace); connects at the first question. Needs a running event loop."""
        self.address = address
        connector = build_connector(namespace)
        self._session = aiohttp.ClientSession(f"http://{address}", connector=connector, timeout=_TIMEOUT)

    async def is_ready(self) -> bool:
        """Whether it says LIVE: the first listeners and clusters have arrived. Raises while it does not listen."""
        async with self._session.get("/ready") as response:
            return response.status == _READY

    async def config(self) -> EnvoyConfig:
        """The resources in force."""
        return parse_config_dump(await self._json("/config_dump?include_eds"))

    async def config_dump(self, query: str = "") -> dict[str, Any]:
        """The raw dump; the query as in ``resource=dynamic_listeners&name_regex=...``."""
        return dict(await self._json(f"/config_dump?{query}"))

    async def clusters(self) -> list[dict[str, Any]]:
        """The statuses of all clusters and their hosts, as the load balancer sees them."""
        return list((await self._json("/clusters?format=json")).get("cluster_statuses", ()))

    async def listeners(self) -> dict[str, str]:
        """The addresses (``ip:port``) really listened on, by listener name."""
        found = {}
        for status in (await self._json("/listeners?format=json")).get("listener_statuses", ()):
            address = status["local_address"].get("socket_address", {})
            found[status["name"]] = f"{address.get('address')}:{address.get('port_value')}"
        return found

    async def certificates(self) -> list[dict[str, Any]]:
        """The certificates in use, each with its chain and the roots beside it, without keys."""
        return list((await self._json("/certs")).get("certificates", ()))

    async def stats(self, pattern: str = "") -> dict[str, int]:
        """Counters and gauges whose names match a regular expression."""
        answer = await self._json("/stats", format="json", type="All", filter=pattern)
        return {stat["name"]: int(stat["value"]) for stat in answer["stats"] if "value" in stat}

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _json(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        async with self._session.get(path, params={name: value for name, value in params.items() if value}) as response:
            response.raise_for_status()
            return await response.json(content_type=None)
