"""What a process is left with when a connection is closed under somebody who was cancelled in the same instant."""

import asyncio
import gc
import logging

import asyncpg
import pytest
from pydantic import SecretStr

from services.chassis.run import running
from services.chassis.settings import Settings
from tests.support.servers import Database


@pytest.mark.parametrize(
    ("error", "said"), [(asyncpg.ConnectionDoesNotExistError("closed"), False), (RuntimeError("a bug"), True)]
)
async def test_a_closed_connections_last_word_is_no_error_of_a_running_process_and_anybody_elses_is(
    database: Database, error: Exception, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(database_url=SecretStr(database.url), mqtt_url=SecretStr("mqtt://127.0.0.1:1"), http_port=0)
    async with running(settings, []):
        await asyncio.sleep(0)  # its tasks begin
        gc.collect()  # what earlier tests have left behind is said now, and is not ours
        caplog.clear()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        with caplog.at_level(logging.ERROR, "asyncio"):
            del future
            gc.collect()
        assert [record.exc_info is not None for record in caplog.records if record.name == "asyncio"] == [True] * said
