"""What an event loop is left with when a connection is closed under somebody who was cancelled in the same instant."""

import asyncio
import gc
import logging

import asyncpg
import pytest

from services.chassis.run import _left_behind


@pytest.mark.parametrize(
    ("error", "said"), [(asyncpg.ConnectionDoesNotExistError("closed"), False), (RuntimeError("a bug"), True)]
)
async def test_a_closed_connections_last_word_is_no_error_and_anybody_elses_is(
    error: Exception, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_left_behind)
    future: asyncio.Future[None] = loop.create_future()
    future.set_exception(error)
    with caplog.at_level(logging.ERROR, "asyncio"):
        del future
        gc.collect()
    assert bool(caplog.records) is said
