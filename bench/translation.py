"""The translator alone: loading a mesh, a first full configuration, and one changed endpoint among many."""

import gc
import time

from bench.measure import milliseconds, percentile, resident_megabytes, show
from bench.population import Population, write_of
from translator.model.proxy import Proxy, Role
from translator.settings import Settings
from translator.translator import Binding, Translator
from xds.types import TYPES

ROUNDS = 50


def run(services: tuple[int, ...] = (100, 1_000, 10_000)) -> None:
    """Measure and print both tables."""
    show_loading(Population(1_000))
    show(
        "One endpoint changed among many services",
        ENDPOINT_COLUMNS,
        [changed_endpoint(Population(n)) for n in services],
    )


def client(name: str = "client", namespace: str = "team-0") -> Proxy:
    """A sidecar that can reach every service."""
    return Proxy(
        role=Role.SIDECAR,
        name=name,
        namespace=namespace,
        addresses=("10.200.0.1",),
        dns_domain=f"{namespace}.svc.cluster.local",
    )


def configure(translator: Translator, proxy: Proxy) -> Binding:
    """Bind a proxy and build everything that it sees."""
    binding = translator.bind(proxy)
    for _ in binding.view.refresh():
        pass
    binding.view.commit()
    return binding


def show_loading(population: Population) -> None:
    """Load a mesh and configure the first and the second proxy of one kind."""
    documents = list(population.documents())
    decoding = time.perf_counter()
    writes = [write_of(document) for document in documents]
    decoded = time.perf_counter()
    del documents
    empty = resident_megabytes()
    translator = Translator(Settings())
    started = time.perf_counter()
    translator.apply(writes)
    loaded = time.perf_counter()
    first = configure(translator, client())
    configured = time.perf_counter()
    second = configure(translator, client("client-2"))
    finished = time.perf_counter()
    full = sum(len(each.body) for traits in TYPES for each in first.view.resources(traits.type_url).values())
    show(
        f"{population.services:,} services x {population.endpoints} endpoints",
        ("measure", "value"),
        [
            ("objects", f"{len(writes):,}"),
            ("decoded", milliseconds(decoded - decoding)),
            ("into the store", milliseconds(loaded - started)),
            ("first full configuration", milliseconds(configured - loaded)),
            ("second proxy of the same kind", milliseconds(finished - configured)),
            ("shares the View", str(first.view is second.view)),
            ("bytes of the configuration", f"{full:,}"),
            ("memory, beside the decoded objects", f"{resident_megabytes() - empty:.0f} MB"),
            ("results held", f"{len(translator.db):,}"),
        ],
    )


ENDPOINT_COLUMNS = ("services", "p50", "p99", "queries re-run", "resources changed", "bytes")


def changed_endpoint(population: Population) -> tuple[str, ...]:
    """One endpoint of one service goes and comes back: what that costs from write to committed View."""
    translator = Translator(Settings())
    translator.apply(population.writes())
    view = configure(translator, client()).view
    gc.collect()
    gc.freeze()
    number = population.services // 2
    states = [write_of(population.slice(number, ready)) for ready in (population.endpoints - 1, population.endpoints)]
    times, ran, changed, size = [], 0, 0, 0
    for turn in range(ROUNDS * 2):
        before = sum(translator.db.runs.values())
        started = time.perf_counter()
        translator.apply([states[turn % 2]])
        for _ in view.refresh():
            pass
        names = view.commit()
        times.append(time.perf_counter() - started)
        ran = sum(translator.db.runs.values()) - before
        changed = sum(map(len, names.values()))
        size = sum(len(view.resources(kind)[name].body) for kind, each in names.items() for name in each)
    gc.unfreeze()
    return (
        f"{population.services:,}",
        milliseconds(percentile(times, 0.5)),
        milliseconds(percentile(times, 0.99)),
        str(ran),
        str(changed),
        str(size),
    )
