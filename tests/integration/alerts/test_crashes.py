"""SIGKILL between send and record: the hub has the alarm, the database does not know, and it is sent again under its own id."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from services.chassis.postgres import Connection
from tests.blackbox.hub import Misbehaviour, Reaction, Receiver
from tests.blackbox.program import environment
from tests.integration.alerts.running import OPS, SECRET_KEY, Installation, add_hub
from tests.support.servers import Broker, Database, until

_ALERTS = """
import asyncio
from services.alerts.service import build
from services.chassis.run import run_until_stopped
from services.chassis.settings import load_settings
asyncio.run(run_until_stopped(load_settings(), [build]))
"""


class Alerts:
    """The service as a process of its own, to be killed."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _ALERTS], env=environment(self._settings))

    def kill(self) -> None:
        """SIGKILL, as when a machine loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


@pytest.fixture
async def alerts(
    database: Database, broker: Broker, receiver: Receiver, connection: Connection, tmp_path: Path
) -> AsyncIterator[Alerts]:
    await add_hub(connection, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
    alerts = Alerts(
        {
            "DATABASE_URL": database.url,
            "MQTT_URL": broker.url,
            "HTTP_PORT": "0",
            "BOOTSTRAP_TOKEN": OPS,
            "SECRET_KEY": SECRET_KEY,
            "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
            "DATA_DIR": str(tmp_path),
        }
    )
    yield alerts
    alerts.kill()


async def press(connection: Connection) -> str:
    return await Installation.press(_Pressing(connection), "fall")  # type: ignore[arg-type]


class _Pressing:
    def __init__(self, connection: Connection) -> None:
        self.database = connection


async def lease_ends(connection: Connection) -> None:
    """As if the killed process's lease had run out: nobody waits for that here."""
    await connection.execute(
        "update alerts.delivery set leased_until = clock_timestamp() where leased_until is not null"
    )


async def test_killed_while_the_hub_answers_it_sends_again_under_the_same_id(
    alerts: Alerts, connection: Connection, receiver: Receiver
) -> None:
    alerts.start()
    devices = [await press(connection) for _ in range(5)]
    for device in devices:
        receiver.plan(device, Misbehaviour.HANG)
    others = [await press(connection) for _ in range(5)]
    await until(lambda: all(receiver.attempts(device) for device in devices), 20)
    alerts.kill()
    await lease_ends(connection)
    alerts.start()

    for device in (*devices, *others):
        await receiver.told(device, timeout_s=20)
        assert len({each.id for each in receiver.attempts(device)}) == 1


async def test_killed_after_the_answer_and_before_it_is_recorded_it_sends_again_under_the_same_id(
    alerts: Alerts, connection: Connection, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts.start()
    gate = asyncio.Event()
    react = receiver._react

    async def answer_when_told(reaction: Reaction, request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await react(reaction, request)

    monkeypatch.setattr(receiver, "_react", answer_when_told)
    device = await press(connection)
    await until(lambda: receiver.attempts(device), 20)
    locked = await asyncpg.connect(database.url)
    transaction = locked.transaction()
    await transaction.start()
    await locked.execute("select from alerts.alarm for update")
    gate.set()

    async def recording() -> bool:
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        return bool(await connection.fetchval(waiting))

    await until(recording, what="the answer to be there, and its record to wait for the lock")
    alerts.kill()
    await transaction.rollback()
    await locked.close()
    assert await connection.fetchval("select notified_at from alerts.alarm where device_id = $1", device) is None
    await lease_ends(connection)
    alerts.start()

    await until(lambda: len(receiver.accepted(device, "alarm.raised")) == 2, 20)
    assert len({(each.id, each.body) for each in receiver.accepted(device, "alarm.raised")}) == 1

    async def recorded() -> bool:
        return bool(await connection.fetchval("select notified_at from alerts.alarm where device_id = $1", device))

    await until(recorded)


async def test_killed_again_and_again_under_traffic_every_alarm_is_at_the_hub(
    alerts: Alerts, connection: Connection, receiver: Receiver
) -> None:
    devices: list[str] = []
    for _ in range(3):
        alerts.start()
        seen = len(receiver.deliveries)
        devices += [await press(connection) for _ in range(20)]
        await until(lambda seen=seen: len(receiver.deliveries) > seen + 3, 20)  # type: ignore[misc]
        alerts.kill()
        await lease_ends(connection)
    alerts.start()
    await asyncio.gather(*(receiver.told(device, timeout_s=30) for device in devices))
    for device in devices:
        assert len({each.id for each in receiver.attempts(device, "alarm.raised")}) == 1
    assert await connection.fetchval("select count(*) from alerts.alarm") == len(devices)
