"""One alarm followed from the event log to a person, on a real database and a real webhook, time moved forward."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from services.alerts.dispatcher import PER_CHANNEL_MAX
from services.alerts.domain.triggers import Acknowledge, Close, Release
from services.alerts.people import People
from services.alerts.store import Due
from tests.blackbox.hub import Misbehaviour, Receiver
from tests.integration.alerts.world import World, make_world
from tests.support.servers import Database, until
from tests.unit.alerts.build import event

DEVICE = "TC-000123"


async def act(world: World, what: Acknowledge | Release | Close) -> None:
    """An operator does it, as over HTTP."""
    alarm = (await world.alarms())[-1]
    async with world.parts.pool.acquire() as connection, connection.transaction():
        _, after_commit = await People(world.parts.alarms).act(
            connection, alarm["alarm_id"], what, None, world.clock.now()
        )
    assert after_commit is not None
    after_commit()
    await world.settle()


async def test_a_press_is_at_the_hub_and_then_taken_and_closed(glasgow: World, receiver: Receiver) -> None:
    await glasgow.press()

    told = (await receiver.told(DEVICE)).notification
    assert (told["type"], told["data"]["kind"], told["data"]["installation_ref"]) == (
        "alarm.raised",
        "fall",
        "GLA-4711",
    )
    alarm = await glasgow.alarm()
    assert (alarm["state"], alarm["notified_at"]) == ("open", glasgow.clock.now())
    assert await glasgow.database.fetchval("select count(*) from chassis.event_log") == 0
    assert await glasgow.told() == [("clyde-arc", "raised")]

    await act(glasgow, Acknowledge("morag"))
    await act(glasgow, Close("morag", "attended"))
    types = [each.notification["type"] for each in receiver.accepted(DEVICE)]
    assert types == ["alarm.raised", "alarm.acknowledged", "alarm.closed"]
    assert await glasgow.history(alarm["alarm_id"]) == [
        ("raised", "first_event"),
        ("acknowledged", "by_operator"),
        ("closed", "by_operator"),
    ]
    assert glasgow.metric("telecare_deliveries_total", channel="webhook", outcome="delivered") == 3
    assert glasgow.metric("telecare_alarm_acknowledge_seconds_count", priority="1") == 1


async def test_the_box_is_told_each_time_its_alarm_gets_further(glasgow: World) -> None:
    await glasgow.press()
    await act(glasgow, Acknowledge("morag"))
    await act(glasgow, Close("morag", "attended"))
    receipts = await glasgow.receipts()
    assert [each["body"].split('"state":"')[1].split('"')[0] for each in receipts] == [
        "notified",
        "acknowledged",
        "closed",
    ]
    assert {each["topic"] for each in receipts} == {f"telecare/v1/devices/glasgow-city/{DEVICE}/receipt"}


async def test_a_stuck_button_is_answered_for_its_newest_presses_and_makes_nobody_wait(glasgow: World) -> None:
    presses = [event("fall", device_id=DEVICE, seq=seq, received_at=glasgow.clock.now()) for seq in range(30)]
    await glasgow.arrive(*presses)
    await act(glasgow, Acknowledge("morag"))
    told = [each["body"] for each in await glasgow.receipts() if '"state":"acknowledged"' in each["body"]]
    assert sorted(int(body.split('"seq":')[1].split(",")[0]) for body in told) == list(range(10, 30))


async def test_nobody_answers_so_the_next_hub_is_told_after_a_minute_and_then_everybody_for_ever(
    glasgow: World,
) -> None:
    await glasgow.press()
    await glasgow.after(59)
    assert await glasgow.told() == [("clyde-arc", "raised")]
    await glasgow.after(1)
    assert (await glasgow.told())[1:] == [("clyde-arc", "escalated"), ("forth-arc", "escalated")]
    for waited_s, told in ((119, 3), (1, 5), (59, 5), (1, 7), (60, 9)):
        await glasgow.after(waited_s)
        assert len(await glasgow.told()) == told
    assert (await glasgow.alarm())["step"] == 2


async def test_a_press_on_an_acknowledged_alarm_is_told_and_escalates_again(glasgow: World, receiver: Receiver) -> None:
    await glasgow.press()
    await act(glasgow, Acknowledge("morag"))
    await glasgow.after(30)
    await glasgow.press()
    alarm = await glasgow.alarm()
    assert (alarm["state"], alarm["step"], alarm["event_count"]) == ("open", 0, 2)
    assert receiver.accepted(DEVICE, "alarm.repeated")
    await glasgow.after(60)
    assert receiver.accepted(DEVICE, "alarm.escalated")
    assert (await glasgow.history(alarm["alarm_id"]))[-2:] == [
        ("repeated", "event_after_acknowledgement"),
        ("escalated", "not_acknowledged"),
    ]


async def test_a_hub_that_fails_is_tried_again_with_the_same_notification(glasgow: World, receiver: Receiver) -> None:
    receiver.plan(DEVICE, 500, 503, 429)
    await glasgow.press()
    for waited_s in (1, 2, 4):
        await glasgow.after(waited_s)
    attempts = receiver.attempts(DEVICE)
    assert [each.reaction for each in attempts] == [500, 503, 429, 204]
    assert len({(each.id, each.body) for each in attempts}) == 1
    assert (await glasgow.alarm())["notified_at"] is not None


async def test_while_a_hub_is_down_a_time_out_hastens_what_waits_and_adds_nothing(
    glasgow: World, receiver: Receiver
) -> None:
    await glasgow.route("glasgow-city", "clyde-arc")
    receiver.plan(DEVICE, *[500] * 4)
    await glasgow.press()
    for waited_s in (1, 2, 4):
        await glasgow.after(waited_s)
    glasgow.clock.move(53)
    await glasgow.parts.waker.run_once()
    assert await glasgow.told() == [("clyde-arc", "raised")]
    await glasgow.settle()
    assert [each.reaction for each in receiver.attempts(DEVICE)] == [500, 500, 500, 500, 204]
    assert (await glasgow.alarm())["step"] == 1


async def test_when_the_hub_refuses_for_good_the_next_one_is_told_at_once(glasgow: World, receiver: Receiver) -> None:
    receiver.plan(DEVICE, 410)
    await glasgow.press()
    first = receiver.attempts(DEVICE)[0]
    assert (first.hub_id, first.reaction) == ("clyde-arc", 410)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="forth-arc")
    assert (await glasgow.alarm())["step"] == 1


@pytest.mark.parametrize("status", [301, 302, 400, 404, 410])
async def test_what_every_hub_of_the_council_refuses_for_good_goes_to_every_hub_at_once_and_to_all_again(
    glasgow: World, receiver: Receiver, status: int
) -> None:
    await glasgow.route("glasgow-city", "clyde-arc")
    receiver.plan(DEVICE, status, status)
    await glasgow.press()
    hubs = [(each.hub_id, each.reaction) for each in receiver.attempts(DEVICE)]
    assert hubs == [("clyde-arc", status), ("clyde-arc", status), ("forth-arc", 204)]
    await glasgow.after(60)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="clyde-arc")


async def test_what_no_hub_has_within_15_s_goes_to_the_next_at_once(glasgow: World, receiver: Receiver) -> None:
    receiver.break_down("clyde-arc")
    await glasgow.press()
    await glasgow.after(14)
    assert not receiver.accepted(DEVICE)
    await glasgow.after(1)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="forth-arc")
    alarm = await glasgow.alarm()
    assert (await glasgow.history(alarm["alarm_id"]))[-1] == ("escalated", "not_delivered")
    assert alarm["step"] == 1


async def test_a_hub_that_hangs_holds_a_few_sends_and_delays_no_other(glasgow: World, receiver: Receiver) -> None:
    glasgow.parts.ways.webhooks._timeout_s = (
        600.0  # and not ten, in which another is told even on a machine that pauses
    )
    await glasgow.route("fife", "forth-arc")
    hanging = [f"TC-{number}" for number in range(20)]
    for device in hanging:
        receiver.plan(device, Misbehaviour.HANG)
    events = [event(device_id=device, received_at=glasgow.clock.now()) for device in hanging]
    await glasgow.tell(*events, event(device_id="TC-FIFE", council_id="fife", received_at=glasgow.clock.now()))
    while await glasgow.parts.consumer.run_once():
        pass
    await glasgow.parts.dispatcher.run_once()
    await receiver.told("TC-FIFE", hub="forth-arc")
    await until(lambda: len([each for each in receiver.deliveries if each.hub_id == "clyde-arc"]) == PER_CHANNEL_MAX)
    assert not any(receiver.accepted(device) for device in hanging)
    await glasgow.parts.dispatcher.close()


async def test_without_a_route_every_hub_is_told_and_the_service_is_not_ready(
    glasgow: World, receiver: Receiver
) -> None:
    await glasgow.press(device_id="STRANGER", council_id="moray")
    assert {hub for hub, _ in await glasgow.told()} == {"clyde-arc", "forth-arc"}
    alarm = await glasgow.alarm()
    assert (alarm["unregistered"], alarm["council_id"]) == (True, "moray")
    await glasgow.parts.gauges.run_once()
    assert glasgow.metric("telecare_alarms_unroutable") == 1
    assert "routing" in (await glasgow.parts.gauges.check() or "")
    await act(glasgow, Close("morag", "accidental"))
    await glasgow.parts.gauges.run_once()
    assert (glasgow.metric("telecare_alarms_unroutable"), await glasgow.parts.gauges.check()) == (0, None)


async def test_a_council_without_a_route_is_no_less_without_one_where_there_is_a_fallback_hub(
    database: Database, receiver: Receiver, tmp_path: Path
) -> None:
    async with make_world(database, tmp_path, fallback_hub="forth-arc") as world:
        receiver.clock = world.clock.now
        for hub in ("clyde-arc", "forth-arc"):
            channel = receiver.channel(hub)
            await world.hub(hub, channel["url"], secret=channel["secret"])
        await world.press(device_id="STRANGER", council_id="moray")
        assert {hub for hub, _ in await world.told()} == {"forth-arc"}
        assert "the fallback hub forth-arc" in (await world.parts.gauges.check() or "")
        await act(world, Close("morag", "accidental"))
        assert await world.parts.gauges.check() is None


async def test_an_alarm_that_nobody_could_be_told_of_is_told_once_there_is_a_hub(
    world: World, receiver: Receiver
) -> None:
    await world.press()
    assert await world.told() == []
    assert "nobody can be told" in (await world.parts.gauges.check() or "")
    channel = receiver.channel("clyde-arc")
    await world.hub("clyde-arc", channel["url"], secret=channel["secret"])
    await world.route("glasgow-city", "clyde-arc")
    await world.after(60)
    assert receiver.accepted(DEVICE, "alarm.escalated")


async def test_a_test_is_listed_told_and_closes_itself(glasgow: World, receiver: Receiver) -> None:
    await glasgow.press(test=True)
    alarm = await glasgow.alarm()
    assert (alarm["priority"], alarm["state"], alarm["test"]) == (5, "closed", True)
    assert receiver.accepted(DEVICE, "test.received")
    assert alarm["notified_at"] is not None
    assert ['"state":"notified"' in each["body"] for each in await glasgow.receipts()] == [True]


async def test_a_restore_closes_its_fault_and_says_so(glasgow: World, receiver: Receiver) -> None:
    await glasgow.press("power_supply")
    await glasgow.press("power_supply", "restored")
    assert (await glasgow.alarm())["state"] == "closed"
    assert receiver.accepted(DEVICE, "alarm.restored")


async def test_an_unreadable_alarm_is_receipted_by_its_digest(glasgow: World) -> None:
    await glasgow.press("unreadable", boot_id=None, seq=None, peripheral_id=None)
    (receipt,) = await glasgow.receipts()
    assert '"boot_id":null,"seq":null,"payload_sha256":"' in receipt["body"]


async def test_the_gauges_count_who_waits_and_for_how_long(glasgow: World) -> None:
    await glasgow.press()
    await glasgow.press("power_supply")
    await act(glasgow, Acknowledge("morag"))
    await glasgow.after(30)
    await glasgow.parts.gauges.run_once()
    waiting = {
        (priority, state): glasgow.metric("telecare_alarms_open", priority=priority, state=state)
        for priority, state in (("1", "open"), ("4", "acknowledged"), ("4", "open"))
    }
    assert waiting == {("1", "open"): 1, ("4", "acknowledged"): 1, ("4", "open"): 0}
    assert glasgow.metric("telecare_oldest_unacknowledged_alarm_seconds", priority="1") == 30
    glasgow.clock.move(50)  # nobody can look any more: the database may be away
    assert glasgow.metric("telecare_oldest_unacknowledged_alarm_seconds", priority="1") == 80
    assert glasgow.metric("telecare_life_alarm_waits_seconds", council="glasgow-city") == 80
    assert glasgow.metric("telecare_life_alarm_waits_seconds", council="fife") == 0


async def test_a_forgotten_alarm_cannot_be_stored(glasgow: World) -> None:
    await glasgow.press()
    for fault in (
        "update alerts.alarm set wake_at = null",
        "update alerts.alarm set wake_at = changed_at + interval '2 days'",
        "update alerts.alarm set state = 'closed', closed_at = now(), wake_at = null",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await glasgow.database.execute(fault)


async def test_what_an_acknowledgement_tells_the_device_waits_for_no_poll(glasgow: World) -> None:
    """The hub's own news is sent by those who wrote it; the receipt beside it is looked for at once."""
    await glasgow.press()
    looked: list[bool] = []
    alarms = glasgow.parts.alarms
    send = alarms.send

    def told_to_send(due: Sequence[Due]) -> None:
        looked.append(not due)
        send(due)

    alarms.send = told_to_send
    await act(glasgow, Acknowledge("morag"))
    assert looked == [False, True]
    await glasgow.settle()
    assert '"state":"acknowledged"' in (await glasgow.receipts())[-1]["body"]
