"""A bug is logged with where it happened, and without what was in memory there."""

import logging
from collections.abc import Iterator

import asyncpg
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


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.usefixtures("logging_as_it_was")
def test_an_error_of_the_database_is_told_without_the_row_that_it_quotes(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(log_format, "info")  # type: ignore[arg-type]  # likewise
    refused = asyncpg.CheckViolationError("new row violates a check constraint")
    refused.detail = "Failing row contains (TC-1, Mrs Smith,\n\n12 High St, fell)."
    for error in (refused, ExceptionGroup("several", [refused])):
        try:
            try:
                raise error
            except Exception as cause:
                raise LookupError("and then") from cause
        except LookupError:
            structlog.get_logger("test").exception("loop_failed")
    said = capsys.readouterr().err
    assert "Smith" not in said
    assert "High St" not in said
    assert "CheckViolationError" in said
