"""A silence holds back the telling of what can wait, for a while; never what cannot, and never for ever."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from services.alerts.domain.triggers import Acknowledge, Release
from services.alerts.people import People
from services.alerts.silences import store
from services.alerts.silences.store import Silence
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World
from tests.support.servers import until


@pytest.fixture
async def glasgow(glasgow: World, receiver: Receiver) -> World:
    receiver.clock = glasgow.clock.now
    await glasgow.register("TC-000124")
    await glasgow.database.execute("update registry.device set postcode_district = 'G12' where device_id = 'TC-000123'")
    return glasgow


async def silence(world: World, minutes: int = 60, priorities: tuple[int, ...] = (3, 4, 5), **of: Any) -> uuid.UUID:
    now = world.clock.now()
    begun = Silence(
        **{
            "silence_id": uuid.uuid4(),
            "council_id": "glasgow-city",
            "device_id": None,
            "postcode_district": None,
            "priorities": priorities,
            "reason": "engineer on site",
            "operator": "morag",
            "hub_id": None,
            "starts_at": now,
            "ends_at": now + timedelta(minutes=minutes),
            **of,
        }
    )
    async with world.database.acquire() as connection, connection.transaction():
        await store.start(connection, begun)
    return begun.silence_id


async def end(world: World, silence_id: uuid.UUID) -> None:
    world.clock.move(1)
    async with world.parts.pool.acquire() as connection, connection.transaction():
        assert await store.end(connection, silence_id, "hamish", world.clock.now()) is not None
    await world.settle()


def told(receiver: Receiver, device_id: str = "TC-000123") -> list[str]:
    """What hubs were told about a device, in order."""
    return [each.notification["type"] for each in receiver.accepted(device_id)]


async def test_a_degraded_alarm_of_a_silenced_device_is_listed_and_not_told_until_the_silence_ends(
    glasgow: World, receiver: Receiver
) -> None:
    await silence(glasgow, minutes=60, device_id="TC-000123")
    await glasgow.press("tamper")
    alarm = await glasgow.alarm()
    assert (alarm["state"], alarm["priority"], alarm["silenced_until"]) == (
        "open",
        4,
        glasgow.clock.now() + timedelta(minutes=60),
    )
    await glasgow.after(59 * 60)
    assert told(receiver) == []
    await glasgow.after(60)
    assert told(receiver) == ["alarm.escalated"]
    assert (await glasgow.history(alarm["alarm_id"]))[-1] == ("escalated", "silence_ended")
    assert (await glasgow.alarm())["silenced_until"] is None


async def test_a_life_alarm_of_the_same_device_is_told_at_once(glasgow: World, receiver: Receiver) -> None:
    await silence(glasgow, device_id="TC-000123")
    await glasgow.press("tamper")
    await glasgow.press("fall")
    await glasgow.press("bed")
    assert [(each.data["kind"], each.notification["type"]) for each in receiver.accepted("TC-000123")] == [
        ("fall", "alarm.raised"),
        ("bed", "alarm.raised"),
    ]


async def test_ended_early_it_tells_what_it_held_back_at_once(glasgow: World, receiver: Receiver) -> None:
    id_ = await silence(glasgow, minutes=600, device_id="TC-000123")
    await glasgow.press("tamper")
    await glasgow.after(60)
    await end(glasgow, id_)
    assert told(receiver) == ["alarm.escalated"]


async def test_what_another_silence_holds_back_too_is_told_when_the_last_one_is_over(
    glasgow: World, receiver: Receiver
) -> None:
    first = await silence(glasgow, minutes=60, device_id="TC-000123")
    await silence(glasgow, minutes=120, postcode_district="G12")
    await glasgow.press("tamper")
    await end(glasgow, first)
    await glasgow.after(119 * 60)
    assert told(receiver) == []
    await glasgow.after(60)
    assert told(receiver) == ["alarm.escalated"]


@pytest.mark.parametrize(
    ("of", "silenced"),
    [
        ({}, {"TC-000123", "TC-000124"}),
        ({"device_id": "TC-000123"}, {"TC-000123"}),
        ({"device_id": "TC-000124"}, {"TC-000124"}),
        ({"postcode_district": "G12"}, {"TC-000123"}),
        ({"postcode_district": "G13"}, set()),
        ({"council_id": "fife"}, set()),
        ({"priorities": (3, 5)}, set()),
    ],
)
async def test_it_holds_back_what_it_names_and_nothing_else(
    glasgow: World, receiver: Receiver, of: dict[str, Any], silenced: set[str]
) -> None:
    await silence(glasgow, **of)
    for device in ("TC-000123", "TC-000124"):
        await glasgow.press("tamper", device_id=device)
    assert {device for device in ("TC-000123", "TC-000124") if not told(receiver, device)} == silenced


async def test_the_ladder_begins_when_the_silence_ends_as_if_the_alarm_were_new(
    glasgow: World, receiver: Receiver
) -> None:
    await silence(glasgow, minutes=600, device_id="TC-000123")
    await glasgow.press("tamper")
    await glasgow.after(600 * 60)
    assert {each.hub_id for each in receiver.accepted("TC-000123")} == {"clyde-arc"}
    await glasgow.after(8 * 3600)
    assert {each.hub_id for each in receiver.accepted("TC-000123")} == {"clyde-arc", "forth-arc"}


async def test_a_silence_that_begins_later_holds_back_what_would_have_been_told_again(
    glasgow: World, receiver: Receiver
) -> None:
    await glasgow.press("tamper")
    assert told(receiver) == ["alarm.raised"]
    await silence(glasgow, minutes=20 * 60, device_id="TC-000123")
    await glasgow.after(8 * 3600)
    assert told(receiver) == ["alarm.raised"]
    await glasgow.after(12 * 3600)
    assert told(receiver)[1:] == ["alarm.escalated"]


async def test_the_same_again_in_a_silence_is_counted_and_not_told(glasgow: World, receiver: Receiver) -> None:
    await silence(glasgow, minutes=60, device_id="TC-000123")
    for _ in range(3):
        await glasgow.press("tamper")
        await glasgow.after(60)
    assert (await glasgow.alarm())["event_count"] == 3
    assert told(receiver) == []
    await glasgow.after(57 * 60)
    assert told(receiver) == ["alarm.escalated"]


async def test_what_people_do_in_a_silence_is_told_as_ever(glasgow: World, receiver: Receiver) -> None:
    await silence(glasgow, minutes=60, device_id="TC-000123")
    await glasgow.press("tamper")
    alarm_id = (await glasgow.alarm())["alarm_id"]
    await act(glasgow, alarm_id, Acknowledge("isla"))
    await act(glasgow, alarm_id, Release("isla"))
    assert told(receiver) == ["alarm.acknowledged", "alarm.released"]
    await glasgow.after(8 * 3600)
    assert set(told(receiver)[2:]) == {"alarm.escalated"}


async def act(world: World, alarm_id: str, what: Acknowledge | Release) -> None:
    async with world.parts.pool.acquire() as connection, connection.transaction():
        await People(world.parts.alarms).act(connection, alarm_id, what, None, world.clock.now())
    world.clock.move(1)
    await world.settle()


async def test_an_alarm_that_is_mended_in_a_silence_is_closed(glasgow: World) -> None:
    await silence(glasgow, device_id="TC-000123")
    await glasgow.press("tamper")
    await glasgow.press("tamper", status="restored")
    assert (await glasgow.alarm())["state"] == "closed"
    await glasgow.after(3600)
    assert [event for event, _ in await glasgow.history((await glasgow.alarm())["alarm_id"])] == ["raised", "restored"]


async def test_an_alarm_that_is_held_back_is_nothing_that_the_auditor_misses(glasgow: World) -> None:
    await silence(glasgow, minutes=7 * 24 * 60, device_id="TC-000123")
    await glasgow.press("tamper")
    for _ in range(7):
        await glasgow.parts.auditor.run_once()
        assert await glasgow.parts.auditor.check() is None
        await glasgow.after(24 * 3600)


async def test_no_silence_of_life_or_welfare_can_be_stored(glasgow: World) -> None:
    for priority in (1, 2):
        with pytest.raises(Exception, match="silence_priorities_check"):
            await silence(glasgow, priorities=(priority,))
    with pytest.raises(Exception, match="silence_check"):
        await silence(glasgow, minutes=8 * 24 * 60)


async def test_consoles_are_told_when_one_begins_and_when_one_is_ended(glasgow: World) -> None:
    heard: list[str] = []

    def hear(*_: object) -> None:
        heard.append("silence")

    async with glasgow.database.acquire() as connection:
        await connection.add_listener("silence", hear)
        id_ = await silence(glasgow)
        await until(lambda: len(heard) == 1)
        await end(glasgow, id_)
        await until(lambda: len(heard) == 2)
        await connection.remove_listener("silence", hear)
