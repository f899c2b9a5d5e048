"""Endpoints in numbers: one service scaled from 1 to 1,000 of them, and a mesh of 100,000 loaded."""

import gc
import json
import time
from collections.abc import Iterable, Iterator

import msgspec

from bench.measure import milliseconds, percentile, resident_megabytes, show
from bench.population import Document, Population, write_of
from bench.translation import client, configure
from translator.settings import Settings
from translator.store import Write
from translator.translator import Translator
from translator.view import View
from xds.types import ENDPOINT

# Kubernetes' controller puts so many endpoints into a slice.
PER_SLICE = 100
STEPS = ((1, 10), (10, 100), (100, 500), (500, 1_000))
HOST = "outbound|8000||service-0.team-0.svc.cluster.local"


def run(replicas: int = 1_000, services: int = 10_000) -> None:
    """Measure and print both tables, with the garbage collector as the server has it."""
    gc.set_threshold(50_000, 20, 100)
    show(
        f"One of 100 services scaled from 1 to {replicas:,} endpoints and back, in steps of one",
        ("endpoints", "p50", "p99", "max", "bytes"),
        scaled(replicas),
    )
    show_loading(Population(services))


def scaled(replicas: int) -> list[tuple[str, ...]]:
    """Each step from the write to the committed View, by how many endpoints there are."""
    translator = Translator(Settings())
    translator.apply(Population(100).writes())
    translator.apply(map(write_of, pods(replicas)))
    view = configure(translator, client()).view
    times: dict[int, list[float]] = {}
    sizes: dict[int, int] = {}
    gc.collect()
    gc.freeze()
    for count in (*range(1, replicas + 1), *range(replicas - 1, 0, -1)):
        write = write_of(last_slice(count))
        # Down: the last slice may be left without endpoints.
        emptied = write_of(slice_of(count, count)) if count % PER_SLICE == 0 and count < replicas else None
        writes = [write] if emptied is None else [write, emptied]
        times.setdefault(count, []).append(step(translator, view, writes))
        sizes[count] = len(view.resources(ENDPOINT)[HOST].body)
    gc.unfreeze()
    rows = []
    for first, last in STEPS:
        samples = [each for count, found in times.items() if first < count <= last for each in found]
        figures = (percentile(samples, 0.5), percentile(samples, 0.99), max(samples))
        rows.append((f"{first:,} to {last:,}", *map(milliseconds, figures), f"{sizes[min(last, replicas)]:,}"))
    return rows


def step(translator: Translator, view: View, writes: list[Write]) -> float:
    """Seconds from a write until the View has it."""
    started = time.perf_counter()
    translator.apply(writes)
    for _ in view.refresh():
        pass
    view.commit()
    return time.perf_counter() - started


def show_loading(population: Population) -> None:
    """Decode and load a mesh, configure a proxy that sees all of it, and change one endpoint."""
    slices = encoded(population.slice(number, population.endpoints) for number in range(population.services))
    listed = loading(Translator(Settings()), slices)
    texts = encoded(population.documents())
    translator = Translator(Settings())
    before = resident_megabytes()
    loaded = loading(translator, texts)
    gc.collect()
    gc.freeze()
    started = time.perf_counter()
    view = configure(translator, client()).view
    configured = time.perf_counter()
    gc.collect()
    gc.freeze()
    number = population.services // 2
    states = [write_of(population.slice(number, ready)) for ready in (population.endpoints - 1, population.endpoints)]
    times = [step(translator, view, [states[turn % 2]]) for turn in range(200)]
    gc.unfreeze()
    show(
        f"{population.services:,} services x {population.endpoints} endpoints",
        ("measure", "value"),
        [
            (f"{len(slices):,} EndpointSlices, from JSON into the store", milliseconds(listed)),
            (f"{len(texts):,} objects, Services and Pods too", milliseconds(loaded)),
            ("first full configuration", milliseconds(configured - started)),
            ("assignments", f"{len(view.resources(ENDPOINT)):,}"),
            ("one endpoint changed, p50", milliseconds(percentile(times, 0.5))),
            ("one endpoint changed, p99", milliseconds(percentile(times, 0.99))),
            ("memory", f"{resident_megabytes() - before:.0f} MB"),
        ],
    )


def encoded(documents: Iterable[Document]) -> list[bytes]:
    """Documents as a list of the API server holds them."""
    return [json.dumps(document).encode() for document in documents]


def loading(translator: Translator, texts: list[bytes]) -> float:
    """Seconds to decode and check documents and to write them to the store."""
    gc.collect()
    started = time.perf_counter()
    translator.apply([write_of(msgspec.json.decode(text)) for text in texts])
    return time.perf_counter() - started


def pods(replicas: int) -> Iterator[Document]:
    """The pods of the service that is scaled."""
    for number in range(replicas):
        document = Population(1).pod(0, 0)
        document["metadata"]["name"] = f"scaled-{number}"
        document["status"]["podIP"] = address(number)
        yield document


def last_slice(count: int) -> Document:
    """The slice that the last of so many endpoints is in."""
    return slice_of((count - 1) // PER_SLICE * PER_SLICE, count)


def slice_of(first: int, count: int) -> Document:
    """The slice that begins with an endpoint, of so many in all."""
    document = Population(1).slice(0, 0)
    document["metadata"]["name"] = f"scaled-{first // PER_SLICE}" if first else document["metadata"]["name"]
    document["endpoints"] = [
        {
            "addresses": [address(number)],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": f"scaled-{number}"},
        }
        for number in range(first, count)
    ]
    return document


def address(number: int) -> str:
    """The IP of a pod of the service that is scaled."""
    return f"10.60.{number >> 8}.{number & 255}"
