"""The ladder with a real database: the policy that an alarm began with, who is called and when, and the limit of tests."""

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.policy import DEFAULT_POLICY, Policy, Step
from services.alerts.domain.triggers import Acknowledge
from services.alerts.people import People
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World, make_world
from tests.support.servers import Database
from tests.unit.alerts.build import event

DEVICE = "TC-000123"
HOUR_S = 3600
DAY_S = 86_400
NIGHTS = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "22:00", "until": "06:00"}]
DAYS = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "06:00", "until": "22:00"}]


@pytest.fixture
async def glasgow(glasgow: World, receiver: Receiver) -> World:
    receiver.clock = glasgow.clock.now
    return glasgow


async def decide(world: World, version: int, body: str) -> None:
    """Glasgow decides on a policy, as the registry stores it."""
    await world.database.execute(
        "insert into registry.policy (council_id, version, body, created_at, created_by) "
        "values ('glasgow-city', $1, $2::text::jsonb, now(), 'test')",
        version,
        body,
    )


def with_life(**fields: Any) -> str:
    return DEFAULT_POLICY.model_copy(update={"life": DEFAULT_POLICY.life.model_copy(update=fields)}).model_dump_json()


async def responder(world: World, position: int, rota: list[Any], *, verified: bool = True) -> str:
    """Somebody whom Glasgow calls."""
    id_ = uuid.uuid4()
    sealed = world.vault.encrypt(b"somebody@example.org")
    await world.database.execute(
        "insert into registry.responder (responder_id, council_id, position, kind, name_encrypted, address_encrypted, rota, "
        "verified_at, created_at) values ($1, 'glasgow-city', $2, 'email', $3, $3, $4::text::jsonb, $5, now())",
        *(id_, position, sealed, json.dumps(rota), world.clock.now() if verified else None),
    )
    return str(id_)


async def called(world: World) -> list[str]:
    """Which responders were to be told, each once, in the order in which they were first called."""
    rows = await world.database.fetch(
        "select responder_id::text from alerts.delivery where responder_id is not null order by delivery_id"
    )
    return list(dict.fromkeys(row["responder_id"] for row in rows))


async def reasons(world: World, device_id: str = DEVICE) -> list[str]:
    return [reason for _, reason in await world.history((await world.alarm(device_id))["alarm_id"])]


# -- policies ---------------------------------------------------------------------------------------------------------


async def test_an_alarm_keeps_the_version_of_the_policy_that_it_began_with(glasgow: World) -> None:
    quick = (Step(after_s=0, hubs=1), Step(after_s=20, hubs=None))
    await decide(glasgow, 1, with_life(steps=quick))
    await glasgow.press()
    await decide(glasgow, 2, with_life(steps=(Step(after_s=0, hubs=1), Step(after_s=300, hubs=None))))
    await glasgow.press(device_id="TC-LATER")

    await glasgow.after(20)
    assert (await glasgow.alarm(DEVICE))["step"] == 1
    assert (await glasgow.alarm("TC-LATER"))["step"] == 0
    await glasgow.after(279)
    assert (await glasgow.alarm("TC-LATER"))["step"] == 0
    await glasgow.after(1)
    assert (await glasgow.alarm("TC-LATER"))["step"] == 1
    versions = await glasgow.database.fetch(
        "select version from alerts.alarm join registry.policy using (policy_id) order by version"
    )
    assert [row["version"] for row in versions] == [1, 2]


async def test_a_council_without_a_policy_of_its_own_has_the_default_and_it_is_what_the_contract_says(
    glasgow: World,
) -> None:
    await glasgow.press()
    assert (await glasgow.alarm())["policy_id"] == 0
    stored = await glasgow.database.fetchval("select body::text from registry.policy where policy_id = 0")
    assert Policy.model_validate_json(stored) == DEFAULT_POLICY


async def test_a_policy_that_nobody_can_read_holds_back_no_alarm(glasgow: World, receiver: Receiver) -> None:
    await decide(glasgow, 1, '{"life": "at leisure"}')
    await glasgow.press()
    assert receiver.accepted(DEVICE, "alarm.raised", hub="clyde-arc")
    await glasgow.after(60)
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="forth-arc")


# -- who is called, and when ------------------------------------------------------------------------------------------


async def test_a_second_press_goes_to_the_next_hub_at_once_and_to_the_first_again(
    glasgow: World, receiver: Receiver
) -> None:
    await glasgow.press()
    await glasgow.after(10)
    await glasgow.press()
    for hub in ("clyde-arc", "forth-arc"):
        assert receiver.accepted(DEVICE, "alarm.repeated", hub=hub), hub
    await glasgow.after(50)
    assert await reasons(glasgow) == ["first_event", "pressed_again", "not_acknowledged"]
    assert {each.hub_id for each in receiver.accepted(DEVICE, "alarm.escalated")} == {"clyde-arc", "forth-arc"}


async def test_responders_are_called_after_180_s_and_only_who_is_on_duty_in_their_order(glasgow: World) -> None:
    hour = glasgow.clock.now().hour  # whoever this test is run by: one of these two is on duty, and in winter or summer
    on_duty, off_duty = (DAYS, NIGHTS) if 7 <= hour < 20 else (NIGHTS, DAYS)
    if hour in {4, 5, 6, 20, 21, 22}:  # in which somebody's duty begins or ends, or will within three minutes
        glasgow.clock.move(4 * HOUR_S)
        on_duty, off_duty = (DAYS, NIGHTS) if 7 <= glasgow.clock.now().hour < 20 else (NIGHTS, DAYS)
    ids = [await responder(glasgow, position, rota) for position, rota in enumerate((on_duty, off_duty, []))]
    await responder(glasgow, 3, [], verified=False)
    await glasgow.press()
    await glasgow.after(179)
    assert await called(glasgow) == []
    await glasgow.after(1)
    assert await called(glasgow) == [ids[0], ids[2]]


async def test_a_responder_who_has_the_news_is_nobody_who_has_the_alarm(glasgow: World, receiver: Receiver) -> None:
    """Only a hub's answer stops the clock of what is undelivered, and only a person's stops the ladder."""
    await responder(glasgow, 0, [])
    for hub in ("clyde-arc", "forth-arc"):
        receiver.break_down(hub)
    await glasgow.press()
    await glasgow.after(15)
    await glasgow.after(15)
    assert len(await called(glasgow)) == 1
    await glasgow.database.execute(
        "update alerts.delivery set state = 'delivered', finished_at = now() where kind = 'email'"
    )
    await glasgow.after(60)
    alarm = await glasgow.alarm()
    assert (alarm["reached_at"], alarm["notified_at"], alarm["state"]) == (None, None, "open")
    assert await reasons(glasgow) == ["first_event", "not_delivered", "not_delivered", "not_acknowledged"]


async def test_where_no_hub_can_be_told_at_all_responders_are_called_at_once(glasgow: World) -> None:
    await glasgow.database.execute("update registry.hub_channel set verified_at = null")
    await responder(glasgow, 0, [])
    await glasgow.press()
    assert len(await called(glasgow)) == 1


async def test_what_is_sent_no_more_is_counted_as_refused_by_nobody(glasgow: World, receiver: Receiver) -> None:
    """A way to responders that is told as failing because somebody was removed would page until another is written to."""
    for hub in ("clyde-arc", "forth-arc"):
        receiver.break_down(hub)
    await glasgow.press()
    outcomes = ("transient", "permanent")
    tried, refused = [glasgow.metric("telecare_deliveries_total", channel="webhook", outcome=each) for each in outcomes]
    assert (tried > 0, refused) == (True, 0)
    await glasgow.database.execute("update registry.hub_channel set verified_at = null")
    await glasgow.after(15)
    failed = "select count(*) from alerts.delivery where state = 'failed' and kind = 'webhook'"
    assert await glasgow.database.fetchval(failed) > 0
    after = [glasgow.metric("telecare_deliveries_total", channel="webhook", outcome=each) for each in outcomes]
    assert after == [tried, 0]


async def test_what_is_degraded_goes_to_the_technical_hub_and_after_a_day_to_the_councils_first(
    glasgow: World, receiver: Receiver
) -> None:
    channel = receiver.channel("engineers")
    await glasgow.hub("engineers", channel["url"], secret=channel["secret"])
    await glasgow.database.execute(
        "update registry.council set technical_hub = 'engineers' where council_id = 'glasgow-city'"
    )
    await glasgow.press("power_supply")
    assert [each.hub_id for each in receiver.accepted(DEVICE)] == ["engineers"]
    async with glasgow.parts.pool.acquire() as connection, connection.transaction():
        alarm_id = (await glasgow.alarm())["alarm_id"]
        _, act = await People(glasgow.parts.alarms).act(
            connection, alarm_id, Acknowledge("ewan"), None, glasgow.clock.now()
        )
    assert act is not None
    act()
    await glasgow.settle()
    await glasgow.after(24 * HOUR_S)
    alarm = await glasgow.alarm()
    assert (alarm["priority"], alarm["acknowledged_by"]) == (3, "ewan")
    assert (await reasons(glasgow))[-1] == "rose_with_time"
    assert receiver.accepted(DEVICE, "alarm.escalated", hub="clyde-arc")


async def test_what_no_hub_of_the_council_has_goes_to_the_fallback_hub_and_then_to_every_hub_there_is(
    database: Database, receiver: Receiver, tmp_path: Path
) -> None:
    async with make_world(database, tmp_path, fallback_hub="forth-arc") as world:
        receiver.clock = world.clock.now
        for hub in ("clyde-arc", "forth-arc", "tay-arc"):
            channel = receiver.channel(hub)
            await world.hub(hub, channel["url"], secret=channel["secret"])
        await world.route("glasgow-city", "clyde-arc")
        await world.route("fife", "forth-arc", "clyde-arc")
        receiver.break_down("clyde-arc")
        await world.press()
        await world.press(device_id="TC-FIFE", council_id="fife")
        receiver.break_down("forth-arc")
        await world.press(device_id="TC-FIFE-2", council_id="fife")
        receiver.mend("forth-arc")
        await world.after(15)
        assert receiver.accepted(DEVICE) == [], "the council's own hubs first"
        await world.after(15)
        assert {each.hub_id for each in receiver.accepted(DEVICE)} == {"forth-arc"}
        assert {each.hub_id for each in receiver.accepted("TC-FIFE")} == {"forth-arc"}

        receiver.break_down("forth-arc")
        await world.press(device_id="TC-FIFE-3", council_id="fife")
        await world.after(15)
        await world.after(15)
        assert {each.hub_id for each in receiver.accepted("TC-FIFE-3")} == {"tay-arc"}


# -- tests --------------------------------------------------------------------------------------------------------------


async def test_ten_tests_of_a_device_in_ten_minutes_are_told_and_all_are_kept(
    glasgow: World, receiver: Receiver
) -> None:
    for _ in range(12):
        await glasgow.press(test=True)
        await glasgow.after(10)
    assert len(receiver.accepted(DEVICE, "test.received")) == 10
    kept = await glasgow.database.fetch("select reason, count(*) from alerts.transition group by reason")
    assert dict(map(tuple, kept)) == {"test": 10, "test_beyond_limit": 2}
    await glasgow.press("fall")
    assert receiver.accepted(DEVICE, "alarm.raised"), "and no alarm is held back by them"
    await glasgow.after(8 * 60 + 1)
    await glasgow.press(test=True)
    assert len(receiver.accepted(DEVICE, "test.received")) == 11


async def test_sixty_tests_in_a_minute_are_told_whoever_sends_them_and_a_press_among_them_at_once(
    glasgow: World, receiver: Receiver
) -> None:
    now = glasgow.clock.now()
    await glasgow.arrive(*(event(test=True, device_id=f"TEST-{number}", received_at=now) for number in range(70)))
    await glasgow.press("fall")
    assert receiver.accepted(DEVICE, "alarm.raised")
    told = [each for each in receiver.deliveries if each.notification["type"] == "test.received"]
    assert len(told) == 60
    assert await glasgow.database.fetchval("select count(*) from alerts.alarm where test and state = 'closed'") == 70
    await glasgow.after(61)
    await glasgow.press(device_id="TEST-LATER", test=True)
    assert receiver.accepted("TEST-LATER", "test.received")


async def test_tests_that_come_late_all_at_once_are_limited_too(glasgow: World, receiver: Receiver) -> None:
    """Alerts was away for ten minutes: what hubs are sent in a minute counts, and not when ingest had it."""
    received_at = glasgow.clock.now() - timedelta(minutes=11)
    late = [event(test=True, received_at=received_at, device_id=f"TEST-{number}") for number in range(70)]
    await glasgow.arrive(*late, *(event(test=True, received_at=received_at) for _ in range(12)))
    assert len([each for each in receiver.deliveries if each.notification["type"] == "test.received"]) == 60


async def test_no_test_ever_counts_in_how_soon_people_answered(glasgow: World) -> None:
    await glasgow.press(test=True)
    for priority in ("1", "5"):
        assert glasgow.metric("telecare_alarm_acknowledge_seconds_count", priority=priority) == 0
    alarm = await glasgow.alarm()
    assert (alarm["step"], alarm["wake_at"], alarm["state"]) == (0, None, "closed")


async def test_a_pendants_battery_that_wavers_is_told_of_twice_a_day_and_then_when_it_stays_low(
    glasgow: World, receiver: Receiver
) -> None:
    async def low(peripheral_id: str = "pendant-1") -> None:
        await glasgow.press("personal_trigger", "battery_low", peripheral_id=peripheral_id)

    for _ in range(5):
        await low()
        await glasgow.after(60)
        await glasgow.press("personal_trigger", "restored", peripheral_id="pendant-1")
        await glasgow.after(60)
    told = [each.notification["type"] for each in receiver.accepted(DEVICE)]
    assert told == ["alarm.raised", "alarm.restored"] * 2
    assert {each["state"] for each in await glasgow.alarms(DEVICE)} == {"closed"}
    assert len(await glasgow.alarms(DEVICE)) == 5
    await low()
    await glasgow.after(1799)
    assert len(receiver.accepted(DEVICE)) == 4
    await glasgow.after(1)
    assert receiver.accepted(DEVICE)[-1].data["priority"] == 4
    await low("pendant-2")
    assert receiver.accepted(DEVICE)[-1].notification["type"] == "alarm.raised"
    await glasgow.after(DAY_S)
    await glasgow.press("personal_trigger", "restored", peripheral_id="pendant-1")
    await low()
    assert receiver.accepted(DEVICE)[-1].notification["type"] == "alarm.raised"
