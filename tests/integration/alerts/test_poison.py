"""What alerts cannot handle becomes an alarm itself."""

import asyncio

from services.chassis.event_log import LogEntry, append
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World
from tests.unit.alerts.build import event

DEVICE = "TC-000123"


async def fail_five_times(world: World) -> None:
    for _ in range(5):
        await world.after(10)


async def test_a_row_that_holds_no_event_is_a_life_alarm_of_its_device(glasgow: World, receiver: Receiver) -> None:
    async with glasgow.database.acquire() as connection:
        await append(connection, [LogEntry("alarms", DEVICE, 3, '{"not":"an event"}')], glasgow.clock.now())
    await fail_five_times(glasgow)
    told = receiver.accepted(DEVICE, "alarm.raised")[0].data
    assert (told["kind"], told["priority"], told["council_id"]) == ("unprocessable", 1, "glasgow-city")


async def test_an_event_that_cannot_be_stored_is_told_without_what_may_be_its_poison(
    glasgow: World, receiver: Receiver
) -> None:
    await glasgow.database.execute("alter table alerts.alarm add constraint no_kitchen check (location <> 'kitchen')")
    await glasgow.press(location="kitchen", text="HELP")
    await fail_five_times(glasgow)
    alarm = await glasgow.alarm()
    assert (alarm["kind"], alarm["location"], alarm["state"]) == ("unprocessable", None, "open")
    assert b"HELP" not in receiver.accepted(DEVICE)[0].body
    (receipt,) = [each for each in await glasgow.receipts() if '"state":"notified"' in each["body"]]
    assert '"boot_id":"b-1","seq":7' in receipt["body"]


async def test_an_event_that_is_told_twice_is_one_event(glasgow: World) -> None:
    happened = event(received_at=glasgow.clock.now())
    await glasgow.arrive(happened)
    await glasgow.arrive(happened)
    assert (await glasgow.alarm())["event_count"] == 1


async def test_a_restore_never_overtakes_the_fault_that_it_ends(glasgow: World) -> None:
    """With four claimers at once, whatever their timing, the fault is closed and nothing stays open."""
    for number in range(10):
        device = f"TC-{number}"
        await glasgow.register(device)
        for status in ("activated", "restored"):
            await glasgow.tell(event("power_supply", status, device_id=device, received_at=glasgow.clock.now()))

    async def drain() -> None:
        while await glasgow.database.fetchval("select count(*) from chassis.event_log"):
            await glasgow.parts.consumer.run_once()

    await asyncio.gather(*(drain() for _ in range(4)))
    alarms = await glasgow.alarms()
    assert [(each["event_count"], each["state"], each["priority"]) for each in alarms] == [(2, "closed", 4)] * 10
