"""A device that returns: at the moment at which it becomes a member, and before it is silent again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.find import Finding
from services.alerts.http.asker import Scope
from services.alerts.outages import reading, store
from tests.integration.alerts.outages.conftest import Scotland, until_one_waits

OF_GLASGOW = Finding(trait=Trait("postcode_district", "G12"), cases=240, devices=240, log_p=-900, log_ratio=100)


async def test_whoever_returns_while_it_becomes_a_member_is_back(scotland: Scotland) -> None:
    """Its row on the list is not there yet for whoever takes the change, who waits for what decides about it."""
    room, now, device = scotland.world.parts.outages, scotland.world.clock.now(), scotland.glasgow[0]
    await scotland.homes.change(scotland.glasgow)
    while await room.intake.run_once():
        pass
    async with scotland.world.parts.pool.acquire() as connection:
        async with connection.transaction():
            outage = await store.begin(connection, "silent", OF_GLASGOW, now)
            assert outage is not None
            assert await store.join(connection, outage, now) == len(scotland.glasgow)
            await scotland.homes.change([device], "ended")
            taking = asyncio.create_task(room.intake.run_once())
            await until_one_waits(scotland)
        await taking
    rows = await scotland.world.database.fetch("select device_id from alerts.outage_member where left_at is not null")
    assert [row["device_id"] for row in rows] == [device]


async def test_whoever_was_well_between_two_silences_that_are_taken_together_is_told_of_anew(
    scotland: Scotland,
) -> None:
    """Alerts was away for longer than that lasted; and people may have closed the first alarm, for the box was there again."""
    homes, device = scotland.homes, scotland.skye[0]
    await homes.fall_silent([device])
    await homes.after(60)
    assert await homes.singles() == [device]
    await homes.change([device], "ended")
    scotland.world.clock.move(1800)
    await homes.change([device])
    await homes.settle()
    await homes.after(60)
    rows = await scotland.world.database.fetch(
        "select ended_at is null as lasts, told_at is not null as told from alerts.affected order by affected_id"
    )
    assert [tuple(row) for row in rows] == [(False, True), (True, True)]
    events = await scotland.world.database.fetch("select event from alerts.transition order by transition_id")
    assert [row["event"] for row in events] == ["raised", "restored", "raised"]


async def test_a_member_that_was_well_in_between_is_asked_after_anew_though_both_are_taken_together(
    scotland: Scotland,
) -> None:
    homes, device = scotland.homes, scotland.glasgow[0]
    await homes.fall_silent(scotland.glasgow)
    ((outage,),) = await scotland.world.database.fetch("select outage_id from alerts.outage")
    async with scotland.world.parts.pool.acquire() as connection:
        await reading.contacted(
            connection, outage, device, Scope(None, None), operator="Morag", note=None, now=scotland.world.clock.now()
        )
    await homes.change([device], "ended")
    scotland.world.clock.move(1800)
    await homes.change([device])
    await homes.settle()
    row = await scotland.world.database.fetchrow(
        "select left_at, contacted_by from alerts.outage_member where device_id = $1", device
    )
    assert row is not None
    assert tuple(row) == (None, None)


async def test_an_end_that_is_taken_before_the_beginning_that_was_put_off_is_the_last_word(scotland: Scotland) -> None:
    """It failed when it was taken, and is tried again later: the device was silent for ever then, though it had been heard."""
    homes, device, intake = scotland.homes, scotland.skye[0], scotland.world.parts.outages.intake
    await homes.change([device])
    await scotland.world.database.execute(
        "update chassis.event_log set attempts = 1, not_before = $1 where stream = 'conditions'",
        scotland.world.clock.now() + timedelta(seconds=30),
    )
    await homes.change([device], "ended")
    assert (await intake.run_once(), await intake.run_once()) == (1, 0)
    scotland.world.clock.move(30)
    assert await intake.run_once() == 1
    await homes.after(120)
    assert await homes.singles() == []
    assert await scotland.world.database.fetchval("select count(*) from alerts.affected where ended_at is null") == 0
    await homes.fall_silent([device])
    await homes.after(60)
    assert await homes.singles() == [device]


async def test_a_member_that_flaps_and_was_heard_since_somebody_asked_after_it_is_asked_after_anew(
    scotland: Scotland,
) -> None:
    homes, (comes_and_goes, stays, unheard) = scotland.homes, scotland.glasgow[:3]
    await homes.fall_silent(scotland.glasgow, flapping=False)
    ((outage,),) = await scotland.world.database.fetch("select outage_id from alerts.outage")
    scotland.world.clock.move(600)
    asked_at = scotland.world.clock.now()
    async with scotland.world.parts.pool.acquire() as connection:
        for device in (comes_and_goes, stays, unheard):
            await reading.contacted(
                connection, outage, device, Scope(None, None), operator="Morag", note="at home", now=asked_at
            )
    scotland.world.clock.move(1800)
    heard_at = scotland.world.clock.now() - timedelta(minutes=10)
    await homes.fall_silent([comes_and_goes], flapping=True, since=heard_at)
    await homes.fall_silent([unheard], flapping=True, since=asked_at - timedelta(minutes=5))
    rows = await scotland.world.database.fetch(
        "select device_id, contacted_by, note, left_at, since from alerts.outage_member where device_id = any ($1) order by 1",
        scotland.glasgow[:3],
    )
    assert [tuple(row)[:4] for row in rows] == [
        (comes_and_goes, None, None, None),
        (stays, "Morag", "at home", None),
        (unheard, "Morag", "at home", None),
    ]
    assert rows[0]["since"] == heard_at
