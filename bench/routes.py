"""One changed VirtualService among many: from the write to the committed View, and what of it is joining the table.

Every service has a VirtualService of its own and all of them share one route table; with gateways, one Gateway.
"""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.measure import milliseconds, percentile, show
from bench.population import Document, Population, write_of
from bench.translation import client, configure
from translator.model.proxy import Proxy, Role
from translator.settings import Settings
from translator.store import Write
from translator.translator import Translator
from translator.view import View
from xds.types import ROUTE

ROUNDS = 40
COLUMNS = ("change", "hosts", "p50", "p99", "CPU time", "queries re-run", "resources changed", "table")


def run(hosts: tuple[int, ...] = (100, 1_000, 10_000)) -> None:
    """Measure and print the tables for a sidecar and for a gateway."""
    for title, role in (("sidecar", Role.SIDECAR), ("gateway", Role.GATEWAY)):
        rows = [row for count in hosts for row in measure(Population(count, endpoints=1), role)]
        show(f"One VirtualService changed, all hosts in one table of a {title}", COLUMNS, rows)


def measure(population: Population, role: Role) -> Iterator[tuple[str, ...]]:
    """The rows for one number of hosts."""
    rules = Rules(population, role)
    translator = Translator(Settings())
    translator.apply(population.writes())
    translator.apply(rules.writes())
    view = configure(translator, proxy(role)).view
    gc.collect()
    gc.freeze()
    number = population.services // 2
    for change, states in (
        ("action", [rules.write(number, timeout="5s"), rules.write(number)]),
        ("destination", [rules.write(number, target=number + 1), rules.write(number)]),
        ("comes and goes", [Write(rules.write(number).key, None), rules.write(number)]),
        ("host comes and goes", [rules.write(number, extra="extra.example.com"), rules.write(number)]),
    ):
        yield (change, f"{population.services:,}", *figures(translator, view, states))
    gc.unfreeze()


def figures(translator: Translator, view: View, states: list[Write]) -> tuple[str, ...]:
    """What it costs to go from one state to the other and back."""
    times, busy, ran, changed = [], [], 0, 0
    for turn in range(ROUNDS * 2):
        before = sum(translator.db.runs.values())
        started, worked = time.perf_counter(), time.process_time()
        translator.apply([states[turn % 2]])
        for _ in view.refresh():
            pass
        names = view.commit()
        times.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
        ran = sum(translator.db.runs.values()) - before
        changed = sum(map(len, names.values()))
    size = max(len(each.body) for each in view.resources(ROUTE).values())
    return (
        milliseconds(percentile(times, 0.5)),
        milliseconds(percentile(times, 0.99)),
        milliseconds(percentile(busy, 0.5)),
        str(ran),
        str(changed),
        f"{size / 1e6:.2f} MB",
    )


def proxy(role: Role) -> Proxy:
    """The proxy whose table is measured."""
    labels = (("istio", "ingressgateway"),) if role is Role.GATEWAY else ()
    return msgspec.structs.replace(client(), role=role, labels=labels)


@dataclass(frozen=True, slots=True)
class Rules:
    """A VirtualService for each service of a population, for sidecars or for a gateway."""

    population: Population
    role: Role

    def writes(self) -> Iterator[Write]:
        """All of them, and the Gateway that they are bound to."""
        yield write_of(GATEWAY)
        yield from map(self.write, range(self.population.services))

    def write(self, number: int, *, timeout: str = "1s", target: int | None = None, extra: str = "") -> Write:
        """The VirtualService of one service; it can have another timeout, another destination or one more host."""
        host = self.population.host(number)
        destination = self.population.host(number if target is None else target % self.population.services)
        match = [{"uri": {"prefix": "/api"}, "headers": {"x-version": {"exact": "v2"}}}]
        route = [{"destination": {"host": destination, "port": {"number": 8000}}}]
        spec: dict[str, Any] = {
            "hosts": [host, extra] if extra else [host],
            "gateways": ["team-0/web"] if self.role is Role.GATEWAY else ["mesh"],
            "http": [{"match": match, "route": route, "timeout": timeout}, {"route": route}],
        }
        return write_of(networking("VirtualService", f"rule-{number}", self.population.namespace(number), spec))


def networking(kind: str, name: str, namespace: str, spec: Document) -> Document:
    """An object of Istio's networking group."""
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2024-01-01T00:00:00Z"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


GATEWAY = networking(
    "Gateway",
    "web",
    "team-0",
    {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    },
)
