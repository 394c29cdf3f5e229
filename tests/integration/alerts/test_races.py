"""Two who act on one alarm at the same instant: the second sees what the first did, and undoes nothing of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from contracts.ids import HubId
from services.alerts.domain.decision import Decision
from services.alerts.domain.triggers import Acknowledge, Close, Release
from services.alerts.people import People
from services.chassis.postgres.borrow import borrow
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World
from tests.support.servers import until
from tests.unit.alerts.build import event


async def act(world: World, alarm_id: str, what: Acknowledge | Release | Close) -> Any:
    async with borrow(world.parts.pool) as connection, connection.transaction():
        outcome, _ = await People(world.parts.alarms).act(
            connection, alarm_id, what, HubId("clyde-arc"), world.clock.now()
        )
    return outcome


@asynccontextmanager
async def meanwhile(
    world: World, waits: Awaitable[Any], sql: str, *arguments: object
) -> AsyncIterator[asyncio.Task[Any]]:
    """`sql` is done, and not committed before `waits` waits for it."""

    async def run() -> Any:
        return await waits

    async with world.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(sql, *arguments)
        task = asyncio.create_task(run())
        await until(
            lambda: world.database.fetchval(
                "select exists (select from pg_stat_activity "
                "where datname = current_database() and wait_event_type = 'Lock')"
            ),
            what="the second to wait for the first",
        )
        await transaction.commit()
    yield task
    await task


_CLOSED = (
    "update alerts.alarm set state = 'closed', wake_at = null, closed_at = now(), closed_by = 'morag', outcome = 'attended' "
    "where device_id = 'TC-000123'"
)


async def test_a_press_while_its_alarm_is_being_closed_is_a_new_alarm(glasgow: World) -> None:
    await glasgow.press()
    await glasgow.tell(event(device_id="TC-000123", seq=2, received_at=glasgow.clock.now()))
    async with meanwhile(glasgow, glasgow.parts.consumer.run_once(), _CLOSED):
        pass
    first, second = sorted(await glasgow.alarms(), key=lambda alarm: str(alarm["state"]))
    assert (first["state"], first["closed_by"], first["event_count"]) == ("closed", "morag", 1)
    assert (second["state"], second["event_count"]) == ("open", 1)


async def test_an_acknowledgement_while_a_press_is_being_stored_counts_that_press(glasgow: World) -> None:
    await glasgow.press()
    alarm_id = (await glasgow.alarm())["alarm_id"]
    pressed = "update alerts.alarm set event_count = event_count + 1, step = 3"
    async with meanwhile(glasgow, act(glasgow, alarm_id, Acknowledge("isla")), pressed) as task:
        assert isinstance(await task, Decision)
    alarm = await glasgow.alarm()
    assert (alarm["state"], alarm["event_count"], alarm["step"]) == ("acknowledged", 2, 3)


async def test_of_two_operators_at_the_same_instant_one_has_the_alarm(glasgow: World) -> None:
    await glasgow.press()
    alarm_id = (await glasgow.alarm())["alarm_id"]
    outcomes = await asyncio.gather(*(act(glasgow, alarm_id, Acknowledge(f"operator {n}")) for n in range(8)))
    assert sum(isinstance(outcome, Decision) for outcome in outcomes) == 1
    assert [name for name, _ in await glasgow.history(alarm_id)] == ["raised", "acknowledged"]


async def test_an_alarm_that_somebody_acts_on_holds_up_no_other_that_is_due(glasgow: World) -> None:
    await glasgow.press(device_id="TC-000123")
    glasgow.clock.move(1)
    await glasgow.press(device_id="TC-000124")
    glasgow.clock.move(61)
    async with glasgow.database.acquire() as connection, connection.transaction():
        await connection.execute("select from alerts.alarm where device_id = 'TC-000123' for update")
        async with asyncio.timeout(60):
            assert await glasgow.parts.waker.run_once() == 1
            assert await glasgow.parts.waker.run_once() == 0
    assert (await glasgow.alarm("TC-000124"))["step"] == 1
    assert (await glasgow.alarm("TC-000123"))["step"] == 0


@pytest.mark.parametrize("wakers", [1, 4])
async def test_a_step_is_taken_once_however_many_look(glasgow: World, wakers: int) -> None:
    await glasgow.press()
    glasgow.clock.move(61)
    looked = await asyncio.gather(*(glasgow.parts.waker.run_once() for _ in range(wakers)))
    assert sum(looked) == 1
    assert (await glasgow.alarm())["step"] == 1


_WAITS_FOR_SECONDS = """
select exists (
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '4 seconds'
)"""


async def test_what_a_hub_took_at_once_is_recorded_though_the_database_takes_seconds_to_write_it(
    glasgow: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unrecorded it is told again, and the next hub told that nobody has it. What the send left of its time, the record has."""
    async with glasgow.database.acquire() as connection:
        transaction = connection.transaction()

        async def take(_reaction: object, _request: web.Request) -> web.StreamResponse:
            await transaction.start()
            await connection.execute("select from alerts.delivery for update")
            return web.Response()

        monkeypatch.setattr(receiver, "_react", take)
        pressing = asyncio.create_task(glasgow.press())
        await until(lambda: glasgow.database.fetchval(_WAITS_FOR_SECONDS), what="the record to wait")
        await transaction.commit()
        await pressing
    (delivery,) = await glasgow.deliveries()
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert (await glasgow.alarm())["notified_at"] is not None


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_whoever_sends_under_a_lease_that_is_anothers_by_now_records_nothing(
    glasgow: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """He was stopped over it. The other is sending it; what came of that is the other's to say."""

    async def answer_late(_reaction: object, _request: web.Request) -> web.StreamResponse:
        await glasgow.database.execute(
            "update alerts.delivery set lease_token = gen_random_uuid() where kind = 'webhook'"
        )
        return web.Response(status=status)

    monkeypatch.setattr(receiver, "_react", answer_late)
    await glasgow.tell(event(received_at=glasgow.clock.now()))
    await glasgow.parts.consumer.run_once()
    (before,) = await glasgow.deliveries()
    await glasgow.parts.dispatcher.run_once()
    await glasgow.parts.dispatcher.settled()
    (after,) = await glasgow.deliveries()
    assert (after["attempts"], after["lease_token"] is None) == (1, False)
    unchanged = ("state", "due_at", "last_error", "finished_at")
    assert [after[name] for name in unchanged] == [before[name] for name in unchanged]
    assert (await glasgow.alarm())["notified_at"] is None
