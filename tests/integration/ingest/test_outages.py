"""The database goes away under a running ingest: nothing is acknowledged, nothing is lost, it says so, and goes on by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.chassis.postgres.pool import connect
from tests.integration.ingest.conftest import Ingest, MakeBox, run_ingest
from tests.integration.ingest.test_heartbeats import heartbeat, topic
from tests.support.mqtt import publish_all
from tests.support.servers import Broker, Database, DatabaseServer, until


@pytest.fixture
async def fragile(own_database: Database, broker: Broker) -> AsyncIterator[Ingest]:
    """An ingest whose database may be killed and paused."""
    async with run_ingest(own_database.url, broker.url) as ingest:
        yield ingest


MESSAGES = "telecare_messages_total"


def received(ingest: Ingest) -> float:
    """Alarms so far."""
    return ingest.metric(MESSAGES, lane="alarm", outcome="received")


def settled(ingest: Ingest, lane: str = "heartbeat") -> float:
    """Messages of which it is known that they are in the database."""
    return sum(ingest.metric(MESSAGES, lane=lane, outcome=each) for each in ("stored", "duplicate"))


async def events(database: Database) -> int:
    """Counted on a connection of its own: the observer's died with the server."""
    connection = await connect(database.url, name="test")
    try:
        return int(await connection.fetchval("select count(*) from ingest.alarm_event"))
    finally:
        await connection.close()


async def test_while_the_database_does_not_answer_no_alarm_is_receipted_and_then_all_are(
    fragile: Ingest, own_postgres: DatabaseServer, own_database: Database, make_box: MakeBox
) -> None:
    box = await make_box()
    own_postgres.pause()
    sent = [box.press() for _ in range(3)]
    await until(lambda: received(fragile) >= 1)
    await until(lambda: fragile.metric("telecare_monitoring_blind") == 1, what="it to know that it is blind")

    async def says_why() -> bool:  # a little later: first it only knows that its lease has lapsed
        return "database" in await fragile.unready_without_asking_it()

    await until(says_why, what="it to say that it is the database")
    assert box.receipts() == []
    assert fragile.metric(MESSAGES, lane="alarm", outcome="stored") == 0
    own_postgres.resume()
    for each in sent:
        await box.receipt(each, timeout_s=60, insists=False)
    await until(lambda: fragile.metric("telecare_monitoring_blind") == 0, what="it to see again")
    assert await events(own_database) == 3
    # What was committed before the session was given up comes again, and may be on its way still. A commit whose answer was lost
    # with its connection is a repeat that nobody knew to be stored.
    await until(lambda: 3 <= received(fragile) == settled(fragile, "alarm"), what="nothing to be on its way")


async def test_heartbeats_that_come_while_the_database_is_dead_are_stored_when_it_lives(
    fragile: Ingest, own_postgres: DatabaseServer, own_database: Database, broker: Broker
) -> None:
    await asyncio.to_thread(own_postgres.kill)
    await publish_all(broker.url, topic("TC-1"), [heartbeat(seq) for seq in range(2000)])
    await asyncio.to_thread(own_postgres.start)
    connection = await connect(own_database.url, name="test")
    try:
        stored = "select count(*) = 2000 from ingest.heartbeat"
        await until(lambda: connection.fetchval(stored), 60, what="all of them")
    finally:
        await connection.close()
    # What is committed is seen before whoever committed it hears of that, and counts.
    # One whose answer was lost is made again, of duplicates.
    await until(lambda: settled(fragile) >= 2000)


async def test_a_short_absence_costs_neither_the_session_nor_the_batch(
    long_leases: None, fragile: Ingest, own_postgres: DatabaseServer, make_box: MakeBox
) -> None:
    """Shorter than a lease: how soon a database is up again is the machine's affair."""
    box = await make_box()
    await box.receipt(box.press())
    await asyncio.to_thread(own_postgres.kill)
    sent = box.press()
    await until(lambda: received(fragile) == 2)
    await asyncio.to_thread(own_postgres.start)
    await box.receipt(sent, insists=False)
    assert fragile.metric(MESSAGES, lane="alarm", outcome="duplicate") == 0
    assert fragile.metric("telecare_session_gaps_total") == 0


@pytest.mark.real_stack  # rumqttd hands QoS 0 on at QoS 1, and so again
async def test_alarms_sent_at_qos_0_survive_a_session_given_up_for_want_of_a_database(
    fragile: Ingest, own_postgres: DatabaseServer, own_database: Database, make_box: MakeBox
) -> None:
    box = await make_box()
    own_postgres.pause()
    sent = []
    for seq in range(3):  # the first is being stored, the others wait behind it
        payload = b'{"boot_id": "b0", "seq": %d, "kind": "fall", "sent_at": "2026-11-21T10:00:00Z"}' % seq
        sent.append(box.say("alarm", payload, "b0", seq, qos=0))
        await until(lambda: received(fragile) >= 1)
    await until(lambda: fragile.metric("telecare_monitoring_blind") == 1, what="the session to be given up")
    own_postgres.resume()
    for each in sent:
        await box.receipt(each, timeout_s=60, insists=False)
    assert await events(own_database) == 3
