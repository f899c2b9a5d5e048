"""The mesh's settings about headers that proxies add on their own, as far as routes have to carry them out."""

from collections.abc import Mapping

import msgspec


class ProxyHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """``attempt_count``: tell upstreams which attempt a request is. ``forwarded_host``: keep a rewritten host."""

    attempt_count: bool = True
    forwarded_host: bool = False


class _Switch(msgspec.Struct, frozen=True):
    disabled: bool = False
    enabled: bool = False


class _Headers(msgspec.Struct, frozen=True, rename="camel"):
    attempt_count: _Switch = _Switch()
    x_forwarded_host: _Switch = _Switch()


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    proxy_headers: _Headers = _Headers()


def read_proxy_headers(proxy_config: Mapping[str, object]) -> ProxyHeaders:
    """The settings in the mesh's default ProxyConfig; one that cannot be read counts as empty."""
    try:
        headers = msgspec.convert(proxy_config, _Config).proxy_headers
    except msgspec.ValidationError:
        return ProxyHeaders()
    return ProxyHeaders(
        attempt_count=not headers.attempt_count.disabled, forwarded_host=headers.x_forwarded_host.enabled
    )
