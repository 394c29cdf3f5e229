"""SIGKILL between send and record: the hub has the alarm, the database does not know, and it is sent again under its own id."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from contracts.policy import DEFAULT_POLICY, Policy
from services.chassis.postgres import Connection
from tests.blackbox.hub import Misbehaviour, Reaction, Receiver
from tests.blackbox.program import environment
from tests.integration.alerts.running import OPS, SECRET_KEY, Installation, add_hub
from tests.support.servers import Broker, Database, until

UNDELIVERED_AFTER_S = 2
TIME_ENOUGH_S = 10  # to kill it before that, on a machine that pauses for seconds
GIVEN_UP_AFTER_S = 60  # nothing here is promised within a time: on a busy machine a process takes long to start

_ALERTS = """
import asyncio
from services.alerts.service import build
from services.chassis.run import run_until_stopped
from services.chassis.settings import load_settings
asyncio.run(run_until_stopped(load_settings(), [build]))
"""


# Loses its power after the commit that makes a second delivery of an alarm due, and before that is sent.
_DIES_BEFORE_THE_ESCALATION_IS_SENT = """
import os, signal
from services.alerts.dispatcher import Dispatcher
send, sent = Dispatcher.send, []
def dies(self, due):
    sent.extend(due)
    if len(sent) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, due)
Dispatcher.send = dies
"""


# Its clocks run out sooner than any council's would: a test does not wait for 15 s.
def _quick(undelivered_after_s: int) -> Policy:
    return DEFAULT_POLICY.model_copy(
        update={"life": DEFAULT_POLICY.life.model_copy(update={"undelivered_after_s": undelivered_after_s})}
    )


class Alerts:
    """The service as a process of its own, to be killed."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, fault: str = "") -> None:
        """Start it, with a fault of this kind put in."""
        self._process = subprocess.Popen([sys.executable, "-c", fault + _ALERTS], env=environment(self._settings))

    def died(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

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
    await add_hub(connection, "forth-arc", webhook=receiver.channel("forth-arc"))
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
    """As if the killed process's lease had run out: nobody waits for that here.

    The server may still be about to commit what the process asked for last, and that may be a lease (of 14 s): so first it must
    have noticed that the process is gone.
    """

    async def nobody_else_is_connected() -> bool:
        others = (
            "select count(*) = 0 from pg_stat_activity "
            "where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return bool(await connection.fetchval(others))

    await until(nobody_else_is_connected, GIVEN_UP_AFTER_S, what="the server to notice that the process is gone")
    await connection.execute(
        "update alerts.delivery set leased_until = clock_timestamp() where leased_until is not null"
    )


async def test_killed_while_the_hub_answers_it_sends_again_under_the_same_id(
    alerts: Alerts, connection: Connection, receiver: Receiver
) -> None:
    devices = [await press(connection) for _ in range(5)]
    for device in devices:
        receiver.plan(device, Misbehaviour.HANG)
    others = [await press(connection) for _ in range(5)]
    alerts.start()
    await until(lambda: all(receiver.attempts(device) for device in devices), GIVEN_UP_AFTER_S)
    alerts.kill()
    await lease_ends(connection)
    alerts.start()

    for device in (*devices, *others):
        await receiver.told(device, timeout_s=GIVEN_UP_AFTER_S)
        # What a slow start has made of it meanwhile, an escalation, is other news.
        assert len({each.id for each in receiver.attempts(device, "alarm.raised")}) == 1


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
    await until(lambda: receiver.attempts(device), GIVEN_UP_AFTER_S)
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

    await until(lambda: len(receiver.accepted(device, "alarm.raised")) == 2, GIVEN_UP_AFTER_S)
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
        await until(lambda seen=seen: len(receiver.deliveries) > seen + 3, GIVEN_UP_AFTER_S)  # type: ignore[misc]
        alerts.kill()
        await lease_ends(connection)
    alerts.start()
    await asyncio.gather(*(receiver.told(device, timeout_s=GIVEN_UP_AFTER_S) for device in devices))
    for device in devices:
        assert len({each.id for each in receiver.attempts(device, "alarm.raised")}) == 1
    assert await connection.fetchval("select count(*) from alerts.alarm") == len(devices)


# -- on the ladder ----------------------------------------------------------------------------------------------------


async def a_ladder_of_two_hubs(connection: Connection, undelivered_after_s: int = UNDELIVERED_AFTER_S) -> None:
    """Glasgow's second hub is told when its first has not got an alarm within that time."""
    await connection.execute("insert into registry.council_route values ('glasgow-city', 1, 'forth-arc')")
    await connection.execute(
        "insert into registry.policy (council_id, version, body, created_at, created_by) "
        "values ('glasgow-city', 1, $1::text::jsonb, now(), 'test')",
        _quick(undelivered_after_s).model_dump_json(),
    )


async def steps(connection: Connection, device: str) -> list[tuple[str, int, float]]:
    """What happened to a device's alarm: why, on which step it then stood, and how long after it was raised."""
    rows = await connection.fetch(
        "select reason, t.step, extract(epoch from at - min(at) over ())::float as after_s "
        "from alerts.transition t join alerts.alarm using (alarm_id) where device_id = $1 order by transition_id",
        device,
    )
    return [(row["reason"], row["step"], row["after_s"]) for row in rows]


async def test_killed_between_the_decision_and_the_sending_of_an_escalation_it_is_sent_on_return(
    alerts: Alerts, connection: Connection, receiver: Receiver
) -> None:
    await a_ladder_of_two_hubs(connection)
    receiver.break_down("clyde-arc", Misbehaviour.HANG)
    alerts.start(_DIES_BEFORE_THE_ESCALATION_IS_SENT)
    device = await press(connection)
    await until(alerts.died, GIVEN_UP_AFTER_S, what="the power to be lost")
    assert [step[:2] for step in await steps(connection, device)] == [("first_event", 0), ("not_delivered", 1)]
    assert receiver.attempts(device, hub="forth-arc") == []

    alerts.start()
    told = await receiver.told(device, "alarm.escalated", hub="forth-arc", timeout_s=GIVEN_UP_AFTER_S)
    assert told.data["step"] == 1


async def test_killed_while_the_first_hub_hangs_the_clock_of_what_is_undelivered_runs_on(
    alerts: Alerts, connection: Connection, receiver: Receiver
) -> None:
    await a_ladder_of_two_hubs(connection, TIME_ENOUGH_S)
    receiver.break_down("clyde-arc", Misbehaviour.HANG)
    alerts.start()
    device = await press(connection)
    await until(lambda: receiver.attempts(device, hub="clyde-arc"), GIVEN_UP_AFTER_S)
    alerts.kill()

    async def its_time_is_up() -> bool:
        return bool(await connection.fetchval("select bool_and(wake_at <= clock_timestamp()) from alerts.alarm"))

    await until(its_time_is_up, GIVEN_UP_AFTER_S)
    assert [step[:2] for step in await steps(connection, device)] == [("first_event", 0)]
    alerts.start()
    await receiver.told(device, "alarm.escalated", hub="forth-arc", timeout_s=GIVEN_UP_AFTER_S)
    assert (await steps(connection, device))[1][:2] == ("not_delivered", 1)


async def test_killed_again_and_again_on_the_ladder_no_step_is_skipped_and_none_is_taken_twice(
    alerts: Alerts, connection: Connection, receiver: Receiver
) -> None:
    await a_ladder_of_two_hubs(connection)
    for hub in ("clyde-arc", "forth-arc"):
        receiver.break_down(hub, Misbehaviour.HANG)
    alerts.start()
    devices = [await press(connection) for _ in range(5)]
    for step in (0, 1, 2):

        async def on_step(step: int = step) -> bool:
            return bool(await connection.fetchval("select count(*) = 5 from alerts.alarm where step >= $1", step))

        await until(on_step, GIVEN_UP_AFTER_S, what=f"every alarm on step {step}")
        alerts.kill()
        alerts.start()
    for device in devices:
        taken = [each[:2] for each in await steps(connection, device)]
        assert taken[:3] == [("first_event", 0), ("not_delivered", 1), ("not_delivered", 2)]
