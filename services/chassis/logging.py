"""structlog for everything, our own lines and our libraries': one event a line, JSON in production, colours at a terminal.

Names of the keys are part of the interface: `event` is a short past-tense name, ids are `event_id`, `alarm_id`, `device_id`.
Payload text, raw bytes, URLs and secrets are never logged.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable
from typing import Any, Final, Literal, TextIO

import asyncpg
import structlog

# Without local variables, which structlog and rich show by default: among them are secrets that were just decrypted.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
# What the database says of an error may quote the row: its class and the frames say where to look.
_QUOTING: Final = frozenset(asyncpg.exceptions.__all__)
_DETAIL: Final = "DETAIL:"


def configure_logging(log_format: Literal["console", "json"], level: str) -> None:
    """Send every log line of this process to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor] = (
        [_TRACEBACKS, _quoting_no_row, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain_traceback)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries tell of their own reconnects and requests; ours say the same with the reason. Request lines may hold ids.
    for chatty in ("aiomqtt", "mqtt", "asyncio", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _quoting_no_row(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    told = line.get("exception")
    if isinstance(told, list):
        _hush(told)
    return line


def _hush(told: Iterable[dict[str, Any]]) -> None:
    for each in told:
        if each.get("exc_type") in _QUOTING:
            each["exc_value"] = ""
        for group in each.get("exceptions") or ():
            _hush(group)


def _plain_traceback(to: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    text, cut, _ = written.getvalue().partition(_DETAIL)
    to.write(text + ("\n(and what may quote a row)" if cut else ""))
