"""Heartbeats: each stored exactly once, each a sign of life; what is no heartbeat is set aside, and is life all the same."""

import json
from datetime import UTC, datetime

import pytest

from services.ingest import heartbeat_batch
from services.ingest.domain.decode import HeartbeatRow, Quarantined, decode_heartbeat
from tests.blackbox.box import Box, now
from tests.integration.ingest.conftest import COUNCIL, Ingest, run_ingest
from tests.support.mqtt import publish_all
from tests.support.servers import Broker, Database, until


def heartbeat(seq: int, boot_id: str = "b1", **fields: object) -> bytes:
    return json.dumps({"boot_id": boot_id, "seq": seq, "sent_at": now(), **fields}).encode()


def topic(device_id: str, lane: str = "heartbeat", council: str = COUNCIL) -> str:
    return f"telecare/v1/devices/{council}/{device_id}/{lane}"


async def acknowledged(ingest: Ingest, count: int, lane: str = "heartbeat") -> None:
    """Wait until so many were settled, one way or the other."""
    outcomes = ("stored", "duplicate", "quarantined")
    await until(
        lambda: sum(ingest.metric("telecare_messages_total", lane=lane, outcome=each) for each in outcomes) >= count,
        what=f"{count} settled messages",
    )


async def test_a_thousand_heartbeats_said_twice_are_stored_once_each(ingest: Ingest, broker: Broker) -> None:
    payloads = [heartbeat(seq, battery_pct=seq % 100) for seq in range(1000)]
    await publish_all(broker.url, topic("TC-1"), payloads + payloads[::-1])
    await acknowledged(ingest, 2000)
    assert await ingest.count("ingest.heartbeat") == 1000
    assert ingest.metric("telecare_messages_total", lane="heartbeat", outcome="received") == 2000
    assert ingest.metric("telecare_messages_total", lane="heartbeat", outcome="stored") == 1000
    assert ingest.metric("telecare_messages_total", lane="heartbeat", outcome="duplicate") == 1000


async def test_a_device_that_nobody_registered_is_heard(ingest: Ingest, box: Box) -> None:
    box.beat(battery_pct=81, mains=True, signal_dbm=-70)
    await acknowledged(ingest, 1)
    [liveness] = await ingest.rows("select * from ingest.liveness")
    assert (liveness["device_id"], liveness["council_id"], liveness["battery_pct"]) == (box.device_id, COUNCIL, 81)
    assert (liveness["mains"], liveness["signal_dbm"], liveness["boot_id"], liveness["seq"]) == (
        True,
        -70,
        box.boot_id,
        1,
    )
    assert liveness["last_heard_at"] is not None


async def test_what_a_heartbeat_does_not_tell_stays_as_it_was_last_told(ingest: Ingest, box: Box) -> None:
    box.beat(battery_pct=81, mains=True)
    await acknowledged(ingest, 1)
    box.beat(battery_pct=80)
    await acknowledged(ingest, 2)
    [liveness] = await ingest.rows("select * from ingest.liveness")
    assert (liveness["battery_pct"], liveness["mains"], liveness["seq"]) == (80, True, 2)


async def test_the_last_of_a_device_in_a_batch_is_the_one_that_counts(ingest: Ingest, broker: Broker) -> None:
    payloads = [heartbeat(seq, battery_pct=100 - seq) for seq in range(50)]
    await publish_all(broker.url, topic("TC-1"), payloads)
    await acknowledged(ingest, 50)
    [liveness] = await ingest.rows("select * from ingest.liveness")
    assert (liveness["seq"], liveness["battery_pct"]) == (49, 51)


async def test_a_bad_field_costs_only_itself(ingest: Ingest, box: Box) -> None:
    box.beat(battery_pct=400, mains=True)
    await acknowledged(ingest, 1)
    [row] = await ingest.rows("select * from ingest.heartbeat")
    assert (row["battery_pct"], row["mains"], row["marks"]) == (None, True, ["bad_battery_pct"])


async def test_a_heartbeat_that_cannot_be_identified_is_set_aside_and_is_life(ingest: Ingest, box: Box) -> None:
    box.say("heartbeat", b'{"seq": 1}')
    await acknowledged(ingest, 1)
    [aside] = await ingest.rows("select * from ingest.quarantine")
    assert (aside["lane"], aside["device_id"], aside["reason"], aside["payload"]) == (
        "heartbeat", box.device_id, "bad_boot_id", b'{"seq": 1}',
    )  # fmt: skip
    [liveness] = await ingest.rows("select * from ingest.liveness")
    assert liveness["device_id"] == box.device_id
    assert liveness["last_heard_at"] is not None
    assert ingest.metric("telecare_messages_total", lane="heartbeat", outcome="quarantined") == 1


async def test_a_heartbeat_with_the_clock_of_another_century_meets_itself_again(ingest: Ingest, broker: Broker) -> None:
    payload = json.dumps({"boot_id": "b", "seq": 1, "sent_at": "2099-01-01T00:00:00Z"}).encode()
    await publish_all(broker.url, topic("TC-1"), [payload, payload])
    await acknowledged(ingest, 2)
    [row] = await ingest.rows("select * from ingest.heartbeat")
    assert row["marks"] == ["absurd_sent_at"]
    assert row["sent_at"] == datetime(2099, 1, 1, tzinfo=UTC)


async def test_a_row_that_the_database_refuses_costs_no_other(ingest: Ingest, broker: Broker) -> None:
    """A constraint that no reading knows of stands for whatever PostgreSQL may refuse one day."""
    await ingest.database.execute("alter table ingest.heartbeat add constraint no_poison check (firmware <> 'poison')")
    payloads = [heartbeat(seq, firmware="poison" if seq in {17, 63} else "1.0") for seq in range(100)]
    await publish_all(broker.url, topic("TC-1"), payloads)
    await acknowledged(ingest, 100)
    assert await ingest.count("ingest.heartbeat") == 98
    asides = await ingest.rows("select reason, payload from ingest.quarantine order by quarantine_id")
    assert [(each["reason"], each["payload"]) for each in asides] == [
        ("refused_by_database", payloads[17]),
        ("refused_by_database", payloads[63]),
    ]
    assert ingest.metric("telecare_messages_total", lane="heartbeat", outcome="stored") == 98
    assert ingest.metric("telecare_messages_total", lane="heartbeat", outcome="quarantined") == 2
    assert (await ingest.rows("select seq from ingest.liveness"))[0]["seq"] == 99


async def test_a_row_that_cannot_even_be_sent_to_the_database_costs_no_other(
    ingest: Ingest, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading that lets too large a number pass stands for whatever may be overlooked one day."""

    def careless(topic: str, payload: bytes, received_at: datetime) -> HeartbeatRow | Quarantined:
        row = decode_heartbeat(topic, payload, received_at)
        assert isinstance(row, HeartbeatRow)
        return row._replace(seq=2**70) if row.seq == 17 else row

    monkeypatch.setattr(heartbeat_batch, "decode_heartbeat", careless)
    payloads = [heartbeat(seq) for seq in range(100)]
    await publish_all(broker.url, topic("TC-1"), payloads)
    await acknowledged(ingest, 100)
    assert await ingest.count("ingest.heartbeat") == 99
    assert [row["payload"] for row in await ingest.rows("select * from ingest.quarantine")] == [payloads[17]]


async def test_a_device_that_says_it_is_online_lives_and_one_that_is_spoken_of_does_not(
    long_leases: None, database: Database, broker: Broker
) -> None:
    online = json.dumps({"state": "online", "boot_id": "b1", "sent_at": now()}).encode()
    offline = json.dumps({"state": "offline", "boot_id": "b1", "sent_at": now()}).encode()
    await publish_all(broker.url, topic("TC-retained", "status"), [online], retain=True)
    async with run_ingest(database.url, broker.url) as ingest:
        await ingest.register("TC-live", "TC-retained", "TC-will")
        await until(lambda: _has_rows(ingest, 3), what="liveness rows")
        await publish_all(broker.url, topic("TC-will", "status"), [offline])
        await publish_all(broker.url, topic("TC-live", "status"), [online])
        await acknowledged(ingest, 3, "status")
        rows = {row["device_id"]: row for row in await ingest.rows("select * from ingest.liveness")}
    assert rows["TC-live"]["last_heard_at"] is not None
    assert rows["TC-will"]["last_heard_at"] is None
    assert rows["TC-will"]["reported_at"] is not None
    assert rows["TC-retained"]["last_heard_at"] is None


async def test_a_registered_device_has_its_row_before_it_is_heard_and_moves_with_the_register(ingest: Ingest) -> None:
    await ingest.register("TC-1", council="fife")
    await until(lambda: _has_rows(ingest, 1), what="the liveness row")
    [liveness] = await ingest.rows("select * from ingest.liveness")
    assert (liveness["council_id"], liveness["last_heard_at"]) == ("fife", None)
    await ingest.database.execute(
        "update registry.device set council_id = 'moray'"
    )  # ingest is told of it by the register itself
    await until(lambda: ingest.count("ingest.liveness", "council_id = 'moray'"), what="the new council")
    # The last of three events: what the second told was perhaps read when the council had changed already.
    await until(lambda: _nothing_to_tell(ingest), what="every event to be taken")


async def test_silent_devices_are_counted_by_council(ingest: Ingest) -> None:
    await ingest.register("TC-1", "TC-2", council="fife")
    await until(lambda: _has_rows(ingest, 2), what="liveness rows")
    await ingest.database.execute("update ingest.liveness set silent = true where device_id = 'TC-1'")
    [gauge] = [loop for loop in ingest.process.services[0].loops if loop.name == "silent-devices"]
    await gauge.run_once()
    # The service's own round may have read before that, and tell it after: its next one is right again.
    await until(lambda: ingest.metric("telecare_devices_silent", council="fife") == 1, what="the silent one to be told")
    assert ingest.metric("telecare_devices_silent", council="moray") == 0


async def _nothing_to_tell(ingest: Ingest) -> bool:
    return await ingest.count("chassis.event_log") == 0


async def _has_rows(ingest: Ingest, count: int) -> bool:
    return await ingest.count("ingest.liveness") == count
