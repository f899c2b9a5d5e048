"""Import every module of one package in a fresh interpreter and print, as JSON, what that did beyond defining names.

python import_probe.py PACKAGE
"""

import importlib
import json
import logging
import os
import pkgutil
import sys
import threading
from pathlib import Path
from types import FrameType

ROOT = Path.cwd()
EFFECTS: list[str] = []
# Reads of the environment pass through these before they come to the reader.
MAPPING_MODULES = ("os", "collections.abc", "_collections_abc")


def record_sockets(event: str, _: tuple[object, ...]) -> None:
    """Audit hook: note that a socket came into being."""
    if event == "socket.__new__":
        EFFECTS.append("a socket is opened")


def record_environment_reads() -> None:
    """Note reads of the environment by the project's own modules; libraries may look at theirs."""
    environment = type(os.environ)
    read = environment.__getitem__

    def recording_read(self: "os._Environ[str]", key: str) -> str:
        reader: FrameType | None = sys._getframe(1)
        while reader and reader.f_globals.get("__name__") in MAPPING_MODULES:
            reader = reader.f_back
        path = Path(reader.f_code.co_filename) if reader else Path()
        if path.is_relative_to(ROOT) and ".venv" not in path.parts:
            EFFECTS.append(f"{path.relative_to(ROOT)} reads {key} from the environment")
        return read(self, key)

    environment.__getitem__ = recording_read  # type: ignore[method-assign]


def registered_metrics() -> set[str]:
    """Names in the process-wide metrics registry."""
    from prometheus_client import REGISTRY  # noqa: PLC0415  (a library of its own effects: loaded before they are noted)

    return {metric.name for metric in REGISTRY.collect()}


def load_kubernetes_client() -> None:
    """The HTTP library below it tries out IPv6 when it is imported: loaded before effects are noted."""
    import kubernetes.aio.config  # noqa: F401, PLC0415


def import_all(package: str) -> None:
    """Import the package and every module below it that is the project's own."""
    importlib.import_module(package)
    for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def main() -> None:
    """Probe the package that the command line names."""
    sys.path.insert(0, str(ROOT))
    metrics = registered_metrics()
    load_kubernetes_client()
    handlers = list(logging.root.handlers)
    sys.addaudithook(record_sockets)
    record_environment_reads()
    import_all(sys.argv[1])
    EFFECTS.extend(f"metric {name} is registered" for name in registered_metrics() - metrics)
    EFFECTS.extend(f"log handler {handler} is added" for handler in logging.root.handlers if handler not in handlers)
    EFFECTS.extend(f"thread {thread.name} runs" for thread in threading.enumerate()[1:])
    print(json.dumps(EFFECTS))


if __name__ == "__main__":
    main()
