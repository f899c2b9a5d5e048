"""EnvoyFilter, ProxyConfig, WasmPlugin, TrafficExtension: extensions of the proxy, kept as they were written."""

from translator.objects.meta import Metadata, Record


class EnvoyFilter(Record, frozen=True, kw_only=True):
    """Patches to generated configuration."""

    metadata: Metadata
    spec: dict[str, object] = {}


class ProxyConfig(Record, frozen=True, kw_only=True):
    """Settings of proxies that take effect when they start."""

    metadata: Metadata
    spec: dict[str, object] = {}


class WasmPlugin(Record, frozen=True, kw_only=True):
    """A WebAssembly filter."""

    metadata: Metadata
    spec: dict[str, object] = {}


class TrafficExtension(Record, frozen=True, kw_only=True):
    """A WebAssembly or Lua filter."""

    metadata: Metadata
    spec: dict[str, object] = {}
