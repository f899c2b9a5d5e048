"""Run all benchmarks, or those whose names are given: ``python -m bench translation``."""

import sys
from collections.abc import Callable
from typing import Final

from bench import endpoints, kubernetes, push, routes, translation

BENCHMARKS: Final[dict[str, Callable[[], None]]] = {
    "translation": translation.run,
    "endpoints": endpoints.run,
    "push": push.run,
    "routes": routes.run,
    "kubernetes": kubernetes.run,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks (all, if none is named); 2 for a name that does not exist."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
