"""The database's clock is put back by an hour: everything that waits by it goes on as if it had not been."""

import pytest

from services.alerts.domain.triggers import Acknowledge
from services.alerts.people import People
from services.alerts.rewinds import Rewinds
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World

DEVICE = "TC-000123"
HOUR_S = 3600


@pytest.fixture
async def rewinds(glasgow: World, receiver: Receiver) -> Rewinds:
    """It has seen the clock before."""
    receiver.clock = glasgow.clock.now
    made = Rewinds(glasgow.parts.pool, glasgow.clock)
    await made.run_once()
    return made


async def put_back(world: World, rewinds: Rewinds) -> None:
    await rewinds.run_once()
    world.clock.move(-HOUR_S)
    await rewinds.run_once()
    await world.settle()


async def test_what_a_hub_has_still_goes_to_the_next_one_after_a_minute(
    glasgow: World, receiver: Receiver, rewinds: Rewinds
) -> None:
    await glasgow.press()
    await glasgow.after(30)
    await put_back(glasgow, rewinds)
    assert receiver.accepted(DEVICE, "alarm.escalated") == [], "nothing is due for it"
    await glasgow.after(60)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="forth-arc")
    await glasgow.after(120)
    assert (await glasgow.alarm())["step"] == 2


async def test_what_no_hub_has_goes_to_the_next_one_after_15_seconds(
    glasgow: World, receiver: Receiver, rewinds: Rewinds
) -> None:
    receiver.break_down("clyde-arc")
    await glasgow.press()
    await put_back(glasgow, rewinds)
    await glasgow.after(15)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="forth-arc")


async def test_whoever_starts_after_it_looks_at_what_is_there(glasgow: World, receiver: Receiver) -> None:
    receiver.clock = glasgow.clock.now
    await glasgow.press()
    glasgow.clock.move(-HOUR_S)
    await Rewinds(glasgow.parts.pool, glasgow.clock).run_once()
    await glasgow.settle()
    await glasgow.after(60)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="forth-arc")


async def test_what_somebody_has_is_followed_up_in_time(glasgow: World, receiver: Receiver, rewinds: Rewinds) -> None:
    await glasgow.press()
    alarm = await glasgow.alarm()
    async with glasgow.parts.pool.acquire() as connection, connection.transaction():
        await People(glasgow.parts.alarms).act(
            connection, alarm["alarm_id"], Acknowledge("morag"), None, glasgow.clock.now()
        )
    await put_back(glasgow, rewinds)
    await glasgow.after(HOUR_S)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="clyde-arc")


async def test_a_clock_that_goes_on_wakes_nobody(glasgow: World, rewinds: Rewinds) -> None:
    await glasgow.press()
    before = await glasgow.alarm()
    glasgow.clock.move(5)
    await rewinds.run_once()
    glasgow.clock.move(-0.5)
    await rewinds.run_once()
    assert (await glasgow.alarm())["wake_at"] == before["wake_at"]
