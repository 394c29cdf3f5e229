"""`telecare alarm …`, as somebody on call uses it: whatever boxes wrote, however much there is of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.alarm_event import AlarmEvent
from services.chassis.event_log import LogEntry, append
from tests.blackbox.api import Api
from tests.integration.authorisation.world import World, make_world, populate
from tests.support.servers import Database
from tests.support.terminal import telecare, telecare_on_a_screen
from tests.unit.alerts.build import event

FORGED = "fall\x1b[2J\x1b[31mALL CLEAR"
TITLE = "hall\x1b]0;ALL CLEAR\x07\n2026-11-29 12:00:00  closed by morag"


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(database, tmp_path) as made:
        await populate(made)
        yield made


def api_of(world: World, role: Any = "ops") -> Api:
    return Api(world.http, world.url, world.tokens[role])


async def press(world: World, *events: AlarmEvent) -> str:
    """Ingest tells of these, and alerts decides; the newest alarm's id."""
    now = datetime.now(UTC)
    await append(
        world.database, [LogEntry("alarms", each.device_id, int(each.urgency), each.to_json()) for each in events], now
    )
    await world.run("alarms-claimer-0", "alarms-claimer-1")
    return str(await world.database.fetchval("select alarm_id from alerts.alarm order by opened_at desc limit 1"))


def now_of(kind: str = "fall", status: str = "activated", **fields: Any) -> AlarmEvent:
    now = datetime.now(UTC)
    return event(kind, status, **({"received_at": now, "sent_at": now} | fields))


async def story(world: World, alarm_id: str, role: str = "ops") -> str:
    code, out, err = await telecare(api_of(world, role), "alarm", "show", alarm_id)
    assert (code, err) == (0, ""), out
    return out


async def test_what_a_box_calls_its_alarm_steers_no_terminal(world: World) -> None:
    alarm_id = await press(world, now_of(FORGED, location=TITLE))
    for arguments in (("alarm", "list"), ("alarm", "show", alarm_id)):
        for code, shown in (
            (await telecare(api_of(world), *arguments))[:2],
            await telecare_on_a_screen(api_of(world), *arguments, columns=200),
        ):
            assert code == 0, shown
            assert r"fall\x1b[2J\x1b[31mALL CLEAR" in shown
            assert shown.replace("\n", "").isprintable(), shown
    assert "\n2026-11-29 12:00:00  closed by morag" not in shown, "no line is the box's own"
    assert r"hall\x1b]0;ALL CLEAR\x07\n2026" in shown


async def test_what_others_wrote_of_devices_hubs_and_in_the_log_steers_no_terminal_either(world: World) -> None:
    ops = api_of(world)
    body = {"device_id": "TC-1", "council_id": "glasgow-city", "serial": "SN\x1b[2J", "model": "hearth\x9b31m"}
    assert (await ops.post("/api/v1/devices", body | {"notes": "\u202edeliw"})).status == 201
    assert (await ops.put("/api/v1/hubs/an-arc", {"name": "ARC\x1b]0;x\x07", "channels": []})).status == 201
    lead = ops.by(await world.token("ops", "the lead\x1b[2J"))
    assert (await lead.patch("/api/v1/devices/TC-1", {"notes": "\u202ewen"})).status == 200
    for arguments, said in (
        (("device", "list"), r"SN\x1b[2J"),
        (("device", "show", "TC-1"), r"\u202ewen"),
        (("hub", "list"), r"ARC\x1b]0;x\x07"),
        (("audit", "export"), r"the lead\x1b[2J"),
    ):
        code, shown = await telecare_on_a_screen(ops, *arguments, columns=200)
        assert (code, said in shown) == (0, True), (arguments, shown)
        assert shown.replace("\n", "").isprintable(), shown
    _, exported, _ = await telecare(ops, "audit", "export")
    assert "the lead\x1b[2J" in exported, "what goes into a file is data, and stays as it is"


async def silence(world: World, **of: Any) -> str:
    body = {"council_id": "glasgow-city", "priorities": [3, 4], "minutes": 60, "reason": "engineer on site"}
    made = await api_of(world, "hub").post("/api/v1/silences", body | {"operator": "morag"} | of)
    assert made.status == 201, made
    return str(made.body["silence_id"])


async def test_a_silenced_alarm_says_until_when_by_whom_and_why(world: World) -> None:
    silence_id = await silence(world)
    alarm_id = await press(world, now_of("tamper"))
    until = f"{await world.database.fetchval('select silenced_until from alerts.alarm'):%Y-%m-%d %H:%M:%S}"
    shown = await story(world, alarm_id)
    assert f"\nheld back, nobody is told before {until}: silenced by morag of own-arc: engineer on site\n" in shown
    assert f"  silenced until {until} by morag of own-arc (its council, priority 3, 4): engineer on site\n" in shown
    ended = await api_of(world, "hub").post(f"/api/v1/silences/{silence_id}/end", {"operator": "hamish"})
    assert ended.status == 200
    await world.run("waker-0", "waker-1")
    shown = await story(world, alarm_id)
    assert "held back" not in shown
    assert "silence ended early by hamish\n" in shown
    assert "escalated (silence ended), step 0" in shown


async def test_what_no_silence_holds_back_names_none_and_a_stranger_is_not_told_whose_it_is(world: World) -> None:
    for each in ({"device_id": "TC-1"}, {"postcode_district": "G12"}, {"priorities": [5]}, {"minutes": 1}):
        await world.database.execute(
            "insert into alerts.silence (silence_id, council_id, device_id, postcode_district, priorities, reason, operator, "
            "hub_id, starts_at, ends_at) "
            "values (gen_random_uuid(), 'glasgow-city', $1, $2, $3, 'of others', 'isla', 'own-arc', $4, $5)",
            *(each.get("device_id"), each.get("postcode_district"), each.get("priorities", [3, 4])),
            *(
                datetime.now(UTC) - timedelta(hours=2),
                datetime.now(UTC) + timedelta(hours=-1 if "minutes" in each else 1),
            ),
        )
    alarm_id = await press(world, now_of("tamper"))
    shown = await story(world, alarm_id)
    assert ("held back" in shown, "of others" in shown) == (False, False), shown
    await silence(world)
    other = await press(world, now_of("tamper", device_id="TC-2"))
    await world.database.execute(
        "update registry.council_route set hub_id = 'foreign-arc' where council_id = 'glasgow-city'"
    )
    await world.database.execute("update alerts.silence set hub_id = null")
    await world.database.execute(
        "insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, due_at, "
        "created_at) select transition_id, alarm_id, notification_id, 'mqtt', gen_random_uuid(), 'own-arc', 4, now(), now() "
        "from alerts.notification where alarm_id = $1",
        other,
    )
    shown = await story(world, other, "hub")
    assert ("engineer on site" in shown, "by no silence that you may see" in shown) == (False, True), shown


async def test_a_long_story_keeps_its_beginning_and_says_what_is_missing(world: World) -> None:
    alarm_id = await press(world, now_of(seq=0))
    began_at = await world.database.fetchval("select received_at from alerts.alarm")
    await world.database.execute(_LONG, alarm_id, began_at)
    answer = (await api_of(world).get(f"/api/v1/alarms/{alarm_id}/story")).body
    assert [each["seq"] for each in answer["events"]] == [*range(50), *range(103, 253)]
    assert [each["attempts"] for each in answer["deliveries"]] == [*range(100), *range(153, 553)]
    assert answer["events_left_out"] == {"after": 50, "count": 53}
    assert answer["deliveries_left_out"] == {"after": 100, "count": 53}
    shown = (await story(world, alarm_id)).splitlines()
    stored = [line for line in shown if "stored: " in line or " events left out, from" in line]
    told = [line for line in shown if "alarm.escalated" in line or " deliveries left out, from" in line]
    assert "(b-1 49)" in stored[49]
    assert "… 53 events left out, from" in stored[50]
    assert "(b-1 103)" in stored[51]
    assert ", 99 attempts" in told[99]
    assert "… 53 deliveries left out, from" in told[100]
    assert ", 153 attempts" in told[101]


# A press a minute, and what each led to; then as many times that a hub was told. Each is numbered.
_LONG = """
with pressed as (
    insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
    select $1, $2::timestamptz + n * interval '1 minute', 'repeated', 'same_again', 'open', 0, 1
    from generate_series(1, 252) as n order by n
    returning transition_id, at
), said as (
    insert into alerts.alarm_event (event_id, alarm_id, transition_id, body)
    select gen_random_uuid(), $1, p.transition_id, e.body || jsonb_build_object('event_id', gen_random_uuid(), 'received_at', p.at,
        'seq', row_number() over (order by p.transition_id))
    from pressed p, alerts.alarm_event e where e.alarm_id = $1
), later as (
    insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
    select $1, $2::timestamptz + n * interval '1 minute', 'escalated', 'not_acknowledged', 'open', 2, 1
    from generate_series(301, 853) as n order by n
    returning transition_id, at
), noted as (
    insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body)
    select 'msg-' || transition_id, transition_id, $1, 'alarm.escalated', at, '{}' from later
)
insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, due_at, created_at,
    attempts)
select transition_id, $1, 'msg-' || transition_id, 'webhook', gen_random_uuid(), 'own-arc', 1, at, at,
    row_number() over (order by transition_id) - 1
from later order by transition_id
"""


async def test_a_story_tells_the_outcome_the_peripheral_the_zone_and_the_boxs_own_day(world: World) -> None:
    ours = datetime.now(UTC)
    alarm_id = await press(
        world,
        now_of(seq=1, sent_at=datetime(1970, 1, 1, 0, 12, tzinfo=UTC)),
        now_of(seq=2, sent_at=datetime(1, 1, 1, tzinfo=UTC)),
        now_of(seq=3, sent_at=ours, received_at=ours),
    )
    body = {"operator": "morag", "outcome": "emergency_services"}
    assert (await api_of(world).post(f"/api/v1/alarms/{alarm_id}/close", body)).status == 200
    shown = await story(world, alarm_id)
    assert ": fall, priority 1, closed: emergency services\n" in shown
    assert "\nperipheral pendant-1\n" in shown
    assert shown.count("times are UTC") == 1
    assert "  closed by morag (by operator), step 2: emergency services\n" in shown
    assert "(b-1 1), by its own clock 1970-01-01 00:12:00; event" in shown
    assert "(b-1 2), by its own clock 0001-01-01 00:00:00; event" in shown
    assert f"(b-1 3), by its own clock {ours:%H:%M:%S}; event" in shown


async def test_a_story_says_what_was_put_up_with_in_what_the_box_sent(world: World) -> None:
    alarm_id = await press(
        world,
        now_of(seq=1),
        now_of(seq=2, marks=("bad_sent_at", "unknown_status"), sent_at=None),
    )
    assert ", without a time; put up with: bad sent at, unknown status; event " in await story(world, alarm_id)
    told = (await api_of(world).get(f"/api/v1/alarms/{alarm_id}/story")).body["events"]
    assert [each["marks"] for each in told] == [[], ["bad_sent_at", "unknown_status"]]


async def test_the_alarm_of_a_dead_channel_says_which(world: World) -> None:
    alarm_id = await press(
        world, now_of("channel_failing", device_id="hub-own-arc", peripheral_id="webhook-0a1b2c3d4e5f")
    )
    assert "\nchannel webhook-0a1b2c3d4e5f\n" in await story(world, alarm_id)


async def test_a_story_says_what_was_erased_and_what_is_to_be(world: World) -> None:
    ops = api_of(world)
    body = {"device_id": "TC-000123", "council_id": "glasgow-city", "serial": "SN-1", "model": "hearth-4g"}
    assert (await ops.post("/api/v1/devices", body)).status == 201
    alarm_id = await press(world, now_of())
    asked = {"what": ["notes", "installation_ref", "text"], "reason": "asked"}
    assert (await ops.post("/api/v1/devices/TC-000123/erase", asked)).status == 202
    assert (await ops.post("/api/v1/devices/TC-000123/erase", asked | {"what": ["notes"]})).status == 202
    await world.run("alerts-erasing")
    assert "to be erased, once it and what else is open is closed: installation ref, text\n" in await story(
        world, alarm_id
    )
    closed = await ops.post(f"/api/v1/alarms/{alarm_id}/close", {"operator": "morag", "outcome": "attended"})
    assert closed.status == 200
    await world.run("alerts-erasing")
    shown = await story(world, alarm_id)
    assert (shown.count("erased on request: installation ref, text\n"), shown.count("erased")) == (1, 1), shown
    later = await press(world, now_of(seq=9))
    assert "erased" not in await story(world, later)


async def test_on_a_narrow_terminal_an_alarms_id_can_be_given_to_the_next_command(world: World) -> None:
    alarm_id = await press(world, now_of())
    code, shown = await telecare_on_a_screen(api_of(world), "alarm", "list", columns=80)
    assert (code, shown.splitlines()[0]) == (0, f"alarm {alarm_id}")
    assert "device TC-000123" in shown


async def test_a_council_that_is_none_is_said_to_be_none(world: World) -> None:
    code, out, err = await telecare(api_of(world, "hub"), "alarm", "list", "--council", "GLASGOW")
    assert (code, out) == (1, "")
    assert err == "telecare: there is no council GLASGOW: did you mean glasgow-city?\n"
    for council in ("moray", "canary"):
        code, out, err = await telecare(api_of(world), "alarm", "list", "--council", council)
        assert (code, err) == (0, ""), "nothing waits there"
    assert (
        await press(world, now_of(device_id="STRANGER", council_id="atlantis"))
        in (await telecare(api_of(world), "alarm", "list", "--council", "atlantis"))[1]
    ), "a stranger's alarm is one all the same"


async def test_the_canarys_alarms_are_listed_when_they_are_asked_for(world: World) -> None:
    alarm_id = await press(world, now_of())
    of_canary = await press(
        world, now_of("personal_trigger", device_id="canary-alarms", council_id="canary", test=True)
    )
    stranger = await press(world, now_of(device_id="STRANGER", council_id=None))
    for arguments, is_listed in (
        ((), False),
        (("--canary",), True),
        (("--council", "canary"), True),
        (("--device", "canary-alarms"), True),
    ):
        code, out, _ = await telecare(api_of(world), "alarm", "list", *arguments)
        assert (code, of_canary in out) == (0, is_listed), (arguments, out)
    listed = (await telecare(api_of(world), "alarm", "list"))[1]
    assert (alarm_id in listed, stranger in listed) == (True, True)
    items = (await api_of(world).get("/api/v1/alarms")).body["items"]
    assert of_canary in {each["alarm_id"] for each in items}, "the API lists all, unless asked"
