"""EnvoyFilter, ProxyConfig, WasmPlugin, TrafficExtension: extensions of the proxy, kept as they were written."""

from translator.objects.meta import MeshObject


class EnvoyFilter(MeshObject, frozen=True, kw_only=True):
    """Patches to generated configuration."""

    spec: dict[str, object] = {}


class ProxyConfig(MeshObject, frozen=True, kw_only=True):
    """Settings of proxies that take effect when they start."""

    spec: dict[str, object] = {}


class WasmPlugin(MeshObject, frozen=True, kw_only=True):
    """A WebAssembly filter."""

    spec: dict[str, object] = {}


class TrafficExtension(MeshObject, frozen=True, kw_only=True):
    """A WebAssembly or Lua filter."""

    spec: dict[str, object] = {}
