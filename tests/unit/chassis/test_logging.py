"""A bug is logged with where it happened, and without what was in memory there."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from services.chassis.logging import configure_logging


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.usefixtures("logging_as_it_was")
def test_a_traceback_shows_no_local_variable(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(log_format, "info")  # type: ignore[arg-type]  # one of the two

    def fails() -> None:
        secret = f"hunter2-{4711}"
        raise LookupError(str(len(secret)))

    try:
        fails()
    except LookupError:
        structlog.get_logger("test").exception("channel_failed")
    said = capsys.readouterr().err
    assert "hunter2-4711" not in said
    assert all(word in said for word in ("channel_failed", "LookupError", "fails"))
