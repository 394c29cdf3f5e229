"""The database's time, whatever this host's clock says, and from the first decision on."""

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import asyncpg
import pytest
from pydantic import SecretStr

from services.chassis import clock
from services.chassis.clock import DatabaseClock
from services.chassis.run import running
from services.chassis.service import Runtime, Service
from services.chassis.settings import Settings
from tests.support.servers import Database


class HourAhead(datetime):
    """What a host believes whose clock is wrong."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


def is_present(now: datetime) -> bool:
    return abs(now - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_step_of_this_hosts_clock_moves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await asyncpg.connect(database.url)
    ours = DatabaseClock()
    await ours.measure(connection)
    monkeypatch.setattr(clock, "datetime", HourAhead)
    assert is_present(ours.now())
    offset = await ours.measure(connection)
    assert -3610 < offset.total_seconds() < -3590
    assert is_present(ours.now())
    await connection.close()


async def test_a_service_is_built_with_the_databases_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "datetime", HourAhead)
    settings = Settings(database_url=SecretStr(database.url), mqtt_url=SecretStr("mqtt://127.0.0.1:1"), http_port=0)
    told: list[datetime] = []

    async def build(runtime: Runtime) -> Service:
        told.append(runtime.clock.now())
        return Service("nothing")

    async with running(settings, [build]):
        await asyncio.sleep(0)  # its tasks begin
        assert is_present(told[0])
