"""Logs are one JSON object per line, whatever is logged."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from fairlead.logs import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_fields(stream: io.StringIO) -> None:
    structlog.get_logger().info("push.done", views=3, objects=("a", "b"), odd=object)
    structlog.get_logger().debug("never.seen")
    (entry,) = entries(stream)
    assert (entry["event"], entry["level"], entry["views"], entry["objects"]) == ("push.done", "info", 3, ["a", "b"])
    assert entry["odd"] == str(object)


def test_exceptions(stream: io.StringIO) -> None:
    structlog.get_logger().error("resource.failed", exc_info=ValueError("no"))
    (entry,) = entries(stream)
    assert "ValueError: no" in entry["exception"]


def test_libraries(stream: io.StringIO) -> None:
    logging.getLogger("asyncio").warning("slow %s", "thing")
    logging.getLogger("asyncio").info("never seen")
    (entry,) = entries(stream)
    assert (entry["event"], entry["logger"], entry["level"]) == ("slow thing", "asyncio", "warning")


def test_text_that_is_no_unicode(stream: io.StringIO) -> None:
    structlog.get_logger().info("odd", name="\udcff")
    assert len(entries(stream)) == 1
