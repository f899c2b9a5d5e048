"""Decodes a specification written as YAML and says what validation thinks of it."""

from collections.abc import Callable

import pytest
import yaml

from translator.decode import decode_object
from translator.diagnostics import Severity
from translator.validation import validate

Faults = Callable[..., list[tuple[str, str]]]


def _faults(
    kind: str, spec: str, *, severity: Severity = Severity.ERROR, metadata: str = "{name: subject}"
) -> list[tuple[str, str]]:
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"namespace": "shop", **yaml.safe_load(metadata)},
        "spec": yaml.safe_load(spec),
    }
    decoded = decode_object(document)
    assert decoded.object is not None, decoded.violations
    found = validate(decoded.object)
    return [(violation.path, violation.reason) for violation in found if violation.severity is severity]


@pytest.fixture
def faults() -> Faults:
    """(path, reason) of every violation of one severity."""
    return _faults
