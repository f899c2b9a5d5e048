"""Answers of several workers as one.

Lists of what each worker has of its own are put one after the other, each entry with the number of its worker; what
all workers have alike is taken from the first. Metrics get a label ``worker``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

# What every worker has for itself; all other pages show what they have in common.
_OWN_LISTS: Final = frozenset({"/debug/proxies", "/debug/pushes", "/debug/syncz"})
_OWN_CLIENTS: Final = frozenset({"/debug/adsz", "/debug/connections"})
_OWN_STATE: Final = frozenset({"/debug/loop", "/debug/clusters"})

Answers = Mapping[int, Any]


def merge_pages(path: str, answers: Answers) -> Any:  # noqa: ANN401 - JSON
    """A debug page from the pages of the workers by their numbers; there is at least one."""
    if path in _OWN_LISTS:
        entries = [{**entry, "worker": worker} for worker, page in answers.items() for entry in page]
        # The newest first, as each worker gives them.
        return sorted(entries, key=lambda entry: -entry["at"]) if path == "/debug/pushes" else entries
    if path in _OWN_CLIENTS:
        clients = [{**client, "worker": worker} for worker, page in answers.items() for client in page["clients"]]
        return {"totalClients": len(clients), "clients": clients}
    if path in _OWN_STATE:
        return {"workers": {str(worker): page for worker, page in answers.items()}}
    return next(iter(answers.values()))


def merge_metrics(expositions: Mapping[int, str]) -> str:
    """One exposition in the text format of Prometheus; the samples of a family stay together."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for worker, exposition in expositions.items():
        family = ""
        for line in exposition.splitlines():
            if line.startswith("#"):
                family = line.split(" ", 3)[2]
                head = heads.setdefault(family, [])
                if line not in head:
                    head.append(line)
            elif line:
                samples.setdefault(family, []).append(_label(line, worker))
    return "\n".join([*_joined(heads, samples), ""])


def _joined(heads: Mapping[str, Sequence[str]], samples: Mapping[str, Sequence[str]]) -> list[str]:
    return [line for family, head in heads.items() for line in (*head, *samples.get(family, ()))]


def _label(sample: str, worker: int) -> str:
    name, brace, labels = sample.partition("{")
    if brace:
        return f'{name}{{worker="{worker}",{labels}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'
