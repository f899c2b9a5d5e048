"""The tables of docs/discovery.md name every field, and tests that exist."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from translator.objects.destination_rule import DestinationRuleSpec, PortTrafficPolicy, TrafficPolicy
from translator.objects.service_entry import ServiceEntrySpec


def leaves(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """The paths of the fields of a record that hold values and not records; traffic policies count once."""
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}{field.encode_name}"
        inner = _record_in(field.type)
        if path == "subsets.trafficPolicy":
            assert inner is TrafficPolicy
            yield path
        elif inner is PortTrafficPolicy:
            yield f"{path}.port.number"
        elif inner is None:
            yield path
        else:
            yield from leaves(inner, f"{path}.")


def _record_in(kind: object) -> type[msgspec.Struct] | None:
    """The record that a type is, or may be, or is a tuple of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    found = (_record_in(argument) for argument in typing.get_args(kind))
    return next((each for each in found if each is not None), None)


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "discovery.md").read_text()


@pytest.mark.parametrize(
    ("title", "kind"),
    [("Fields of a DestinationRule", DestinationRuleSpec), ("Fields of a ServiceEntry", ServiceEntrySpec)],
)
def test_every_field_has_a_row(page: str, title: str, kind: type[msgspec.Struct]) -> None:
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| `.+` \|$", section, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == set(leaves(kind))


def test_every_test_exists(page: str, project_root: Path) -> None:
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", page))
    assert named
    missing = []
    for file, function in sorted(named):
        texts = (path.read_text() for path in (project_root / "tests").rglob(file))
        if not any(f"def {function}(" in text for text in texts):
            missing.append(f"{file}::{function}")
    assert not missing
