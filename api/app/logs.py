"""Logs: one JSON object a line on standard error, whoever says it: our own code, uvicorn, the job engine, libraries.

What belongs to a request carries its id (`request`), what belongs to a run the run's (`run`); see `api.http.requests`.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.types import Processor

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class _ToStandardError(logging.Handler):
    """Writes to whatever standard error is at the moment: whoever captures it puts another one in its place."""

    def __call__(self, *_: object) -> structlog.PrintLogger:
        return structlog.PrintLogger(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def configure(level: str) -> None:
    """Set up structlog and the standard library's loggers. level: of our own; of others only warnings are kept."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    written: list[Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    handler = _ToStandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    structlog.configure(
        processors=[*_SHARED, *written],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_ToStandardError(),
        cache_logger_on_first_use=False,
    )
