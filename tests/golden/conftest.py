"""Fixtures of the golden cases; what a case is: ``case.py``."""

from pathlib import Path

import pytest

from tests.golden.case import Case

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/input.yaml"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """``make golden`` rewrites the expected files."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of the golden cases")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden", default=False))


@pytest.fixture(params=CASES, ids=lambda folder: folder.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Each golden case in turn."""
    return Case(request.param)
