"""Structured logs: one event per line, as JSON for machines, readable on a terminal.

Event names are dotted and lower case (``push.done``); everything that varies is a field.
"""

import logging
import sys
from typing import Any, Final, TextIO

import structlog

# What libraries log below this is their own business.
_LIBRARY_LEVEL: Final = logging.WARNING


def configure_logging(stream: TextIO, *, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Log to ``stream``, also what libraries log; as JSON unless it is a terminal. To be called once per process."""
    render: Any = _json_renderer() if as_json or (as_json is None and not stream.isatty()) else _terminal_renderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer() if as_json else structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=_LIBRARY_LEVEL, force=True)


def stderr() -> TextIO:
    """Where logs go, so that standard output stays free for results."""
    return sys.stderr


def _json_renderer() -> structlog.processors.JSONRenderer:
    # Python's own encoder escapes what is no valid Unicode, such as parts of odd file names, instead of failing.
    return structlog.processors.JSONRenderer(default=str)


def _terminal_renderer() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(pad_event_to=28)
