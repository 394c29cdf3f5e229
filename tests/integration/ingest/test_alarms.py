"""An alarm reaches us: it is stored, acknowledged, receipted and told to alerts, whatever it is made of."""

import hashlib
import json
import uuid

import asyncpg
import pytest

from services.chassis.postgres import Queries
from services.ingest import receipts
from tests.blackbox.box import Box
from tests.integration.ingest.conftest import LONG_S, Ingest, MakeBox, run_ingest
from tests.support.mqtt import publish_all
from tests.support.servers import Broker, Database, real_stack, until


async def test_a_pressed_pendant_is_stored_told_to_alerts_and_receipted(ingest: Ingest, box: Box) -> None:
    sent = box.press(location="bathroom")
    receipt = await box.receipt(sent)
    assert receipt["alarm_id"] is None
    [event] = await ingest.rows("select * from ingest.alarm_event")
    assert (event["device_id"], event["boot_id"], event["seq"]) == (box.device_id, sent.boot_id, sent.seq)
    assert (event["kind"], event["status"], event["location"], event["qos"]) == (
        "personal_trigger", "activated", "bathroom", 1,
    )  # fmt: skip
    assert event["payload_sha256"] == hashlib.sha256(sent.payload).digest()
    assert event["raw"] is None
    [told] = await ingest.rows("select * from chassis.event_log where stream = 'alarms'")
    assert (told["key"], told["urgency"]) == (box.device_id, 1)
    assert json.loads(told["body"])["event_id"] == str(event["event_id"])


async def test_the_same_alarm_said_again_is_stored_once_and_receipted_each_time(ingest: Ingest, box: Box) -> None:
    sent = box.press()
    await box.receipt(sent)
    for _ in range(3):
        box.again(sent)
    await until(lambda: len(box.receipts(sent)) == 4, what="four receipts")
    assert await ingest.count("ingest.alarm_event") == 1
    assert await ingest.count("chassis.event_log", "stream = 'alarms'") == 1
    assert ingest.metric("telecare_messages_total", lane="alarm", outcome="stored") == 1
    assert ingest.metric("telecare_messages_total", lane="alarm", outcome="duplicate") == 3
    assert ingest.metric("telecare_messages_total", lane="alarm", outcome="received") == 4


async def test_a_repeat_is_receipted_with_what_has_become_of_its_alarm(
    ingest: Ingest, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        receipts, "_STATES_TIMEOUT_S", LONG_S
    )  # or a paused machine's answer is `stored`, for that is certain
    sent = box.press()
    await box.receipt(sent)
    alarm_id = uuid.uuid4()
    # The view is what alerts promises us; its tables are its own.
    await ingest.database.execute(
        "create or replace view alerts.receipt_state as "
        f"select event_id, '{alarm_id}'::uuid as alarm_id, 'acknowledged'::text as state from ingest.alarm_event"
    )
    box.again(sent)
    receipt = await box.receipt(sent, "acknowledged")
    assert receipt["alarm_id"] == str(alarm_id)


async def test_other_bytes_under_the_same_identity_are_another_alarm_and_marked(ingest: Ingest, box: Box) -> None:
    first = box.press("personal_trigger")
    await box.receipt(first)
    other = box.say("alarm", first.payload.replace(b"personal_trigger", b"smoke"), first.boot_id, first.seq)
    await until(lambda: len(box.receipts(other)) == 2, what="a receipt for each")
    events = await ingest.rows("select kind, marks from ingest.alarm_event order by received_at")
    assert [(event["kind"], event["marks"]) for event in events] == [
        ("personal_trigger", []),
        ("smoke", ["identity_reused"]),
    ]
    told = await ingest.rows("select body from chassis.event_log where stream = 'alarms' order by event_log_id")
    assert [json.loads(row["body"])["marks"] for row in told] == [[], ["identity_reused"]]


async def test_bytes_that_nobody_can_read_are_an_alarm(ingest: Ingest, box: Box) -> None:
    sent = box.say("alarm", b"\x00\xff help")
    receipt = await box.receipt(sent)
    assert (receipt["boot_id"], receipt["seq"]) == (None, None)
    [event] = await ingest.rows("select * from ingest.alarm_event")
    assert (event["kind"], event["raw"]) == ("unreadable", b"\x00\xff help")
    assert (await ingest.rows("select urgency from chassis.event_log where stream = 'alarms'"))[0]["urgency"] == 1


async def test_two_unreadable_alarms_with_other_bytes_are_two(ingest: Ingest, box: Box) -> None:
    for payload in (b"\xff", b"\xfe"):
        await box.receipt(box.say("alarm", payload))
    events = await ingest.rows("select marks from ingest.alarm_event")
    assert [("identity_reused" in event["marks"]) for event in events] == [False, False]


async def test_an_alarm_in_a_council_and_of_a_device_that_cannot_be_is_an_alarm(ingest: Ingest, broker: Broker) -> None:
    topic = "telecare/v1/devices/No Such Council/not a device!/alarm"
    await publish_all(
        broker.url, topic, [b'{"boot_id": "b", "seq": 1, "kind": "fall", "sent_at": "2026-11-21T10:00:00Z"}']
    )
    await until(lambda: ingest.count("ingest.alarm_event"), what="the alarm to be stored")
    [event] = await ingest.rows("select * from ingest.alarm_event")
    assert (event["council_id"], event["topic"], event["kind"]) == (None, topic, "fall")
    assert {"bad_council_id", "bad_device_id"} <= set(event["marks"])


async def test_an_alarm_sent_at_qos_0_is_stored_and_receipted(ingest: Ingest, box: Box) -> None:
    sent = box.say(
        "alarm", b'{"boot_id": "b0", "seq": 7, "kind": "fall", "sent_at": "2026-11-21T10:00:00Z"}', "b0", 7, qos=0
    )
    await box.receipt(sent)
    [event] = await ingest.rows("select qos from ingest.alarm_event")
    assert event["qos"] == (0 if real_stack() else 1)  # rumqttd hands everything on at the subscription's QoS


async def test_an_alarm_is_a_sign_of_life(ingest: Ingest, box: Box) -> None:
    await ingest.register(box.device_id)
    await until(lambda: ingest.count("ingest.liveness"), what="the liveness row")
    await box.receipt(box.press())
    [liveness] = await ingest.rows("select * from ingest.liveness")
    assert liveness["last_heard_at"] is not None


async def test_an_alarm_that_the_broker_retained_is_an_alarm_and_no_sign_of_life(
    long_leases: None, database: Database, broker: Broker
) -> None:
    topic = "telecare/v1/devices/glasgow-city/TC-{}/alarm"
    pressed = b'{"boot_id": "b", "seq": 1, "kind": "fall", "sent_at": "2026-11-21T10:00:00Z"}'
    observer = await asyncpg.connect(database.url)
    await observer.execute(
        "insert into ingest.liveness values ('TC-retained', 'glasgow-city'), ('TC-live', 'glasgow-city')"
    )
    await observer.close()
    await publish_all(broker.url, topic.format("retained"), [pressed], retain=True)
    async with run_ingest(database.url, broker.url) as ingest:
        await publish_all(broker.url, topic.format("live"), [pressed], retain=True)
        await until(lambda: _stored_twice(ingest), what="both alarms")
        rows = await ingest.rows(
            "select device_id, last_heard_at is null as unheard from ingest.liveness order by device_id"
        )
    assert [tuple(row) for row in rows] == [("TC-live", False), ("TC-retained", True)]


async def _stored_twice(ingest: Ingest) -> bool:
    return await ingest.count("ingest.alarm_event") == 2


async def test_what_the_database_refuses_costs_no_other_alarm(
    ingest: Ingest, broker: Broker, make_box: MakeBox
) -> None:
    """A constraint that no reading knows of stands for whatever PostgreSQL may refuse one day."""
    await ingest.database.execute("alter table ingest.alarm_event add check (text <> 'poison')")
    box = await make_box()
    sent = [box.press(text="poison" if number == 5 else "fine") for number in range(10)]
    for each in sent:
        await box.receipt(each)
    events = await ingest.rows("select kind, raw, marks, boot_id from ingest.alarm_event order by received_at")
    assert sorted(event["kind"] for event in events) == ["personal_trigger"] * 9 + ["unreadable"]
    [bare] = [event for event in events if event["kind"] == "unreadable"]
    assert (bare["raw"], bare["marks"], bare["boot_id"]) == (sent[5].payload, ["refused_by_database"], None)
    box.again(sent[5])
    await until(lambda: len(box.receipts(sent[5])) == 2, what="the repeat's receipt")
    assert await ingest.count("ingest.alarm_event") == 10
    assert await ingest.count("chassis.event_log", "stream = 'alarms'") == 10


async def test_every_query_is_one_that_the_database_can_prepare(ingest: Ingest) -> None:
    await ingest.database.execute("set role telecare_ingest")
    for path in ("services/ingest", "services/chassis/shard"):
        queries = Queries.beside(f"{path}/x")
        for name in queries:
            await ingest.database.prepare(queries[name])
            if name == "stage_heartbeats":
                await ingest.database.execute(queries[name])
    await ingest.database.execute("reset role")
