"""Who works a session, when he must let go of it, and what is written down when the broker may have lost something."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import mqtt5
import pytest

from services.chassis.clock import DatabaseClock
from services.chassis.mqtt import DisconnectReason, Filter, Message, MqttUrl, Session, SessionOptions
from services.chassis.postgres import Pool, open_pool
from services.chassis.shard import Lane, Progress, Shards, gaps, runner
from services.chassis.shard.filters import Follower, first_asked
from services.chassis.shard.gaps import Gaps
from services.chassis.shard.lease import Lease
from tests.integration.ingest.conftest import LONG_S
from tests.support.mqtt import Peer, publish_all, scripted_server
from tests.support.servers import Broker, Database, DatabaseServer, TcpProxy, real_stack, until

pytestmark = pytest.mark.usefixtures("long_leases")

TOPIC = "telecare/v1/devices/fife/TC-1/alarm"
GRANTED = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
CLIENT_ID = "telecare-ingest-alarms"


@dataclass
class Worker:
    """Takes messages and acknowledges them, unless told to be stuck."""

    stuck: bool = False
    taken: list[Message] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    gaps: int = 0

    async def work(self, session: Session, progress: Progress) -> None:
        self.sessions.append(session)
        while True:
            messages = await session.batch(100)
            progress.taken(len(messages))
            self.taken += messages
            if self.stuck:
                await asyncio.Event().wait()
            session.puback(messages)
            progress.stored(len(messages))

    def found_gap(self) -> None:
        self.gaps += 1


@dataclass
class Slow(Worker):
    """Takes them one by one, with a pause after each, until it hurries."""

    hurries: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, session: Session, progress: Progress) -> None:
        while True:
            messages = await session.batch(1)
            progress.taken(len(messages))
            self.taken += messages
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await self.hurries.wait()
            session.puback(messages)
            progress.stored(len(messages))


@asynccontextmanager
async def shards(
    worker: Worker, database_url: str, mqtt_url: str, *, instance: str = "one", ready: bool = True
) -> AsyncIterator[Shards]:
    """Work the alarms' shard; the other one is given to nobody."""
    pool = await open_pool(database_url, role="telecare_ingest", name="test", size=4)
    lane = Lane(worker.work, receive_max=100)
    made = Shards(
        pool=pool,
        mqtt_url=MqttUrl.parse(mqtt_url),
        clock=DatabaseClock(),
        instance=instance,
        service="ingest",
        lanes={"alarm": lane, "heartbeat": lane},
        on_gap=worker.found_gap,
    )
    task = asyncio.create_task(made.run())
    try:
        if ready:
            await until(lambda: "alarms" in made.working, what="the shard to be worked")
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        pool.terminate()


@pytest.fixture
async def observer(database: Database) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """The database, seen from outside. Only the shard of alarms is left."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("delete from chassis.shard where shard <> 'alarms'")
    yield connection
    await connection.close()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    pool = await open_pool(database.url, role="telecare_ingest", name="test")
    yield pool
    pool.terminate()


Observer = Any  # asyncpg's connection


async def test_one_works_and_the_other_is_ready_to(database: Database, broker: Broker, observer: Observer) -> None:
    worker, standby = Worker(), Worker()
    async with (
        shards(worker, database.url, broker.url) as working,
        shards(standby, database.url, broker.url, instance="two", ready=False) as waiting,
    ):
        await until(lambda: not waiting.blind, what="the standby to see the worker")
        assert await waiting.check() is None
        assert working.working == {"alarms"}
        assert not waiting.working
        await publish_all(broker.url, TOPIC, [b"1", b"2"])
        await until(lambda: len(worker.taken) == 2)
        assert standby.sessions == []


async def test_who_is_asked_to_stop_lets_the_other_go_on_at_once(
    database: Database, broker: Broker, observer: Observer
) -> None:
    first, second = Worker(), Worker()
    async with shards(first, database.url, broker.url):
        pass
    assert await observer.fetchval("select holder from chassis.shard") is None
    await publish_all(broker.url, TOPIC, [b"while nobody works"])
    async with shards(second, database.url, broker.url, instance="two"):
        await until(lambda: second.taken, what="what was queued meanwhile")
        assert second.sessions[0].session_present
    assert await observer.fetchval("select count(*) from chassis.session_gap") == 0


async def test_a_worker_whose_session_is_taken_stands_back_and_then_goes_on(
    database: Database, broker: Broker, observer: Observer
) -> None:
    worker = Worker()
    async with shards(worker, database.url, broker.url) as working:
        options = SessionOptions(
            client_id=CLIENT_ID, filters=(Filter("telecare/v1/devices/+/+/alarm"),), receive_max=10
        )
        first = worker.sessions[0]
        thief = await Session.connect(MqttUrl.parse(broker.url), options)
        await until(lambda: first.reason is not None, what="the session to be taken")
        # The embedded broker does not always say why it closes; then the worker connects again, under its lease, and has it back.
        if first.reason is not None and first.reason.reason is DisconnectReason.SESSION_TAKEN_OVER:
            await until(lambda: not working.working, what="the session to be given up")
            assert thief.reason is None
        else:
            assert not real_stack()
        await thief.close()
        await until(lambda: working.working, what="the shard to be worked again")
        await publish_all(broker.url, TOPIC, [b"1"])
        await until(lambda: worker.taken)


async def test_a_worker_that_is_stuck_lets_go(
    database: Database, broker: Broker, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STALLED_S", 0.5)
    monkeypatch.setattr(runner, "_STAND_BACK_S", LONG_S)  # or it asks again before the other has, on a busy machine
    stuck, other = Worker(stuck=True), Worker()
    async with (
        shards(stuck, database.url, broker.url),
        shards(other, database.url, broker.url, instance="two", ready=False),
    ):
        await publish_all(broker.url, TOPIC, [b"1"])
        await until(lambda: [message.payload for message in other.taken] == [b"1"], what="the other to have it")
        assert [message.payload for message in stuck.taken] == [b"1"]


async def test_a_lease_that_another_has_taken_ends_the_work(
    database: Database, broker: Broker, observer: Observer
) -> None:
    async with shards(Worker(), database.url, broker.url) as working:
        await observer.execute(
            "update chassis.shard set holder = 'another', generation = generation + 1, renewed_at = now()"
        )
        await until(lambda: not working.working, what="the work to end")
        assert await observer.fetchval("select holder from chassis.shard") == "another"


async def test_nobody_connects_without_a_lease(database: Database, broker: Broker, observer: Observer) -> None:
    """One that is held by a process which is gone is waited for."""
    await observer.execute("update chassis.shard set holder = 'another', renewed_at = clock_timestamp()")
    worker = Worker()
    async with shards(worker, database.url, broker.url, ready=False) as waiting:
        await until(lambda: not waiting.blind, what="the other's lease to be seen")
        assert worker.sessions == []
        await observer.execute("update chassis.shard set renewed_at = renewed_at - make_interval(secs => $1)", LONG_S)
        await until(lambda: waiting.working, what="the lease to lapse")
        assert await observer.fetchval("select generation from chassis.shard") == 1


async def test_without_a_broker_it_says_so_and_goes_on_by_itself(
    database: Database, broker: Broker, observer: Observer
) -> None:
    await asyncio.to_thread(broker.kill)
    worker = Worker()
    async with shards(worker, database.url, broker.url, ready=False) as waiting:

        async def trouble() -> bool:
            return "has no session at the broker" in (await waiting.check() or "")

        await until(trouble, what="the check to say why")
        assert waiting.blind
        await asyncio.to_thread(broker.start)
        await until(lambda: waiting.working, what="the shard to be worked")
        assert await waiting.check() is None
    # a shard that never had a session has lost none
    assert worker.gaps == 0


async def test_a_broker_that_forgot_the_session_is_a_certain_gap_since_it_was_last_known(
    database: Database, broker: Broker, observer: Observer
) -> None:
    async with shards(Worker(), database.url, broker.url):
        pass
    known_at = await observer.fetchval("select session_at from chassis.shard")
    # Another session under the same client id, and a clean one, is what is left when a broker has forgotten ours.
    options = SessionOptions(
        client_id=CLIENT_ID, filters=(Filter("nothing"),), receive_max=10, clean_start=True, session_expiry_s=0
    )
    await (await Session.connect(MqttUrl.parse(broker.url), options)).close()
    worker = Worker()
    async with shards(worker, database.url, broker.url):
        pass
    [gap] = await observer.fetch("select * from chassis.session_gap")
    assert (gap["certain"], gap["reason"], gap["started_at"]) == (True, "session_lost", known_at)
    assert gap["ended_at"] > known_at
    assert worker.gaps == 1


async def test_a_connection_that_breaks_is_a_possible_gap_once(
    database: Database,
    broker: Broker,
    observer: Observer,
    tcp_proxy: Callable[[str], Awaitable[TcpProxy]],
) -> None:
    proxy = await tcp_proxy(broker.url)
    worker = Worker()
    async with shards(worker, database.url, proxy.url) as working:
        proxy.cut()
        await until(lambda: not working.working, what="the loss to be noticed")
        await until(lambda: observer.fetchval("select count(*) from chassis.session_gap where ended_at is null"))
        proxy.restore()
        await until(lambda: working.working, what="the session to be back")
    [gap] = await observer.fetch("select * from chassis.session_gap")
    assert (gap["shard"], gap["certain"], gap["reason"]) == ("alarms", False, "connection_lost")
    assert gap["ended_at"] >= gap["started_at"]
    assert worker.gaps == 1


async def test_a_gap_that_began_while_the_database_was_away_is_written_when_it_is_back(
    own_postgres: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await own_postgres.create_database()
    pool = await open_pool(database.url, role="telecare_ingest", name="test")
    counted: list[None] = []
    seen = Gaps(pool, DatabaseClock(), "alarms", lambda: counted.append(None))
    try:
        await asyncio.to_thread(own_postgres.kill)
        await seen.began("connection_lost")
        await asyncio.to_thread(own_postgres.start)
        monkeypatch.setattr(gaps, "_WRITE_TIMEOUT_S", LONG_S)  # it connects anew
        await seen.ended(session_present=True, session_at=None)
        async with pool.acquire() as connection:
            [gap] = await connection.fetch("select * from chassis.session_gap")
    finally:
        pool.terminate()
    assert (gap["reason"], gap["certain"]) == ("connection_lost", False)
    assert gap["ended_at"] > gap["started_at"]
    assert len(counted) == 1


async def test_a_gap_that_another_process_ended_without_knowing_is_written_by_who_saw_it(
    pool: Pool, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[None] = []
    seen = Gaps(pool, DatabaseClock(), "alarms", lambda: counted.append(None))
    async with observer.transaction():
        await observer.execute("lock table chassis.session_gap in access exclusive mode")  # nobody can write just now
        await seen.began("connection_lost")
    monkeypatch.setattr(gaps, "_WRITE_TIMEOUT_S", LONG_S)
    await seen.handed_over()
    [gap] = await observer.fetch("select * from chassis.session_gap")
    assert gap["ended_at"] is not None
    assert len(counted) == 1


async def test_a_dead_holder_keeps_nothing_though_the_databases_clock_was_put_back(
    observer: Observer, pool: Pool
) -> None:
    assert await Lease.acquire(pool, "alarms", "dead") is not None
    assert await Lease.acquire(pool, "alarms", "next") is None
    await observer.execute("update chassis.shard set renewed_at = clock_timestamp() + interval '1 hour'")
    assert await Lease.acquire(pool, "alarms", "next") is not None


HEARD = "select clock_timestamp() - heard_until < interval '2 seconds' from chassis.shard where shard = 'alarms'"
LAPSES = (
    "select extract(epoch from ended_at - started_at)::int as lasted_s, reason from chassis.hearing_lapse order by 1"
)


async def heard(observer: Observer, ago: str) -> None:
    """The shard was, until so long ago, by a session that was subscribed."""
    await observer.execute(
        "update chassis.shard set subscribed = filters, heard_until = clock_timestamp() - $1::text::interval", ago
    )


async def test_what_is_worked_is_heard_up_to_now(database: Database, broker: Broker, observer: Observer) -> None:
    await observer.execute("update chassis.shard set created_at = clock_timestamp()")
    async with shards(Worker(), database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
        assert await observer.fetch(LAPSES) == []


async def test_a_shard_that_is_worked_for_the_first_time_had_not_heard_since_it_was_set_up(
    database: Database, broker: Broker, observer: Observer
) -> None:
    """Or whoever was to be heard by it all that time would be silent at once."""
    await observer.execute("update chassis.shard set created_at = clock_timestamp() - interval '2 days'")
    async with shards(Worker(), database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
    (lapse,) = await observer.fetch(LAPSES)
    assert 2 * 86400 <= lapse["lasted_s"] < 2 * 86400 + LONG_S
    assert lapse["reason"] == "nobody_worked_it"


async def test_whoever_is_heard_again_after_a_while_writes_down_since_when_he_was_not(
    database: Database, broker: Broker, observer: Observer
) -> None:
    """Whatever it was: whoever worked it was killed, stopped or cut off, and says nothing himself."""
    await heard(observer, "1 hour")
    async with shards(Worker(), database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
    (lapse,) = await observer.fetch(LAPSES)
    assert 3600 <= lapse["lasted_s"] < 3600 + LONG_S
    assert lapse["reason"] == "nobody_worked_it"


async def test_a_take_over_within_seconds_is_no_lapse(database: Database, broker: Broker, observer: Observer) -> None:
    await heard(observer, "2 seconds")
    async with shards(Worker(), database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
    assert await observer.fetch(LAPSES) == []


async def test_a_renewal_that_had_to_wait_hears_up_to_when_it_was_asked_for(observer: Observer, pool: Pool) -> None:
    """What stood still meanwhile (a database, a lock) kept messages from us of which the renewal knows nothing."""
    lease = await Lease.acquire(pool, "alarms", "ours")
    assert lease is not None
    waiting = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%hearing_lapse%')"
    )
    async with observer.transaction():
        await observer.execute("select from chassis.shard where shard = 'alarms' for update")
        renewal = asyncio.create_task(lease.renew(heard=True))

        async def waits() -> bool:
            await observer.execute(
                "select pg_stat_clear_snapshot()"
            )  # or a transaction sees for ever what it saw first
            return bool(await observer.fetchval(waiting))

        await until(waits, what="the renewal to wait")
        later = await observer.fetchval("select clock_timestamp()")
    assert await renewal
    heard_until = await observer.fetchval("select heard_until from chassis.shard where shard = 'alarms'")
    assert heard_until < later
    assert await lease.renew(heard=True)
    assert await observer.fetchval("select heard_until >= $1 from chassis.shard where shard = 'alarms'", later)


async def test_what_was_taken_and_is_not_stored_is_not_heard(
    database: Database, broker: Broker, observer: Observer
) -> None:
    worker = Worker(stuck=True)
    async with shards(worker, database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
        await publish_all(broker.url, TOPIC, [b"1"])
        await until(lambda: worker.taken, what="it to be taken")
        late = "select clock_timestamp() - heard_until > interval '5 seconds' from chassis.shard where shard = 'alarms'"
        await until(lambda: observer.fetchval(late), what="the watermark to stand still")


@pytest.mark.real_stack  # rumqttd sends a hundred at a time, whatever we can take
async def test_while_the_broker_holds_more_than_we_take_the_shard_is_not_heard(
    database: Database, broker: Broker, observer: Observer
) -> None:
    """Whoever is drowning stores all the time, and yet knows nothing of now."""
    slow = Slow()
    async with shards(slow, database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
        await publish_all(broker.url, TOPIC, [str(number).encode() for number in range(1500)])
        late = "select clock_timestamp() - heard_until > interval '3 seconds' from chassis.shard where shard = 'alarms'"
        await until(lambda: observer.fetchval(late), what="the watermark to stand still")
        slow.hurries.set()
        await until(lambda: observer.fetchval(HEARD), what="it to have caught up")
    assert len(slow.taken) == 1500


async def subscribed(observer: Observer) -> list[str] | None:
    rows: list[str] | None = await observer.fetchval("select subscribed from chassis.shard")
    return rows


def filters_of(*councils: str) -> list[str]:
    return [f"telecare/v1/devices/{each}/+/alarm" for each in councils]


async def test_filters_that_are_changed_are_followed_by_the_session_as_it_stands_and_nothing_is_lost(
    database: Database, broker: Broker, observer: Observer
) -> None:
    """Whoever is newly let through was not heard until the broker has granted it, and that is written down."""
    change = "update chassis.shard set filters = $1"
    await observer.execute(change, filters_of("fife", "moray"))
    worker = Worker()
    async with shards(worker, database.url, broker.url):
        await until(lambda: observer.fetchval(HEARD), what="the shard to be heard")
        assert await subscribed(observer) == filters_of("fife", "moray")
        assert await observer.fetchval("select count(*) from chassis.hearing_lapse where filters is not null") == 0
        before = await observer.fetchval("select clock_timestamp()")
        await observer.execute(change, filters_of("angus", "fife"))

        async def followed() -> bool:
            return await subscribed(observer) == filters_of("angus", "fife")

        await until(followed, what="the filters to be followed")
        (lapse,) = await observer.fetch("select * from chassis.hearing_lapse where filters is not null")
        assert (lapse["filters"], lapse["reason"]) == (filters_of("angus"), "subscribed_anew")
        assert lapse["ended_at"] > before
        assert lapse["ended_at"] - lapse["started_at"] > timedelta(days=60)
        await publish_all(broker.url, "telecare/v1/devices/angus/TC-1/alarm", [b"angus"])
        await until(lambda: [each.payload for each in worker.taken] == [b"angus"], what="what is newly let through")
    assert len(worker.sessions) == 1
    assert worker.gaps == 0


async def test_what_is_let_through_no_more_comes_no_more_and_what_always_was_is_not_missed_meanwhile(
    database: Database, broker: Broker, observer: Observer
) -> None:
    worker = Worker()
    async with shards(worker, database.url, broker.url):
        await observer.execute("update chassis.shard set filters = $1", filters_of("fife"))
        numbers = [str(number).encode() for number in range(300)]
        sending = asyncio.create_task(publish_all(broker.url, TOPIC, numbers))

        async def followed() -> bool:
            return await subscribed(observer) == filters_of("fife")

        await until(followed, what="the filters to be followed")
        await sending
        await until(lambda: {each.payload for each in worker.taken} == {*numbers}, what="all that was sent")
        others = "telecare/v1/devices/moray/TC-1/alarm"
        # Written down before the broker is asked: until it has done it, some may come that count for nothing.
        await until(lambda: _left_out(broker, worker, others), what="the others to be left out")


async def _left_out(broker: Broker, worker: Worker, topic: str) -> bool:
    """Of what is sent to both, the one that is let through has come, and the other before it has not."""
    before = len(worker.taken)
    await publish_all(broker.url, topic, [b"others"])
    await publish_all(broker.url, TOPIC, [b"last"])
    await until(lambda: b"last" in [each.payload for each in worker.taken[before:]])
    return b"others" not in [each.payload for each in worker.taken[before:]]


async def test_a_filter_that_the_broker_refuses_counts_for_nothing_and_keeps_nobody_else_from_being_heard(
    observer: Observer, pool: Pool
) -> None:
    """It is asked for in the session as it stands, and not by the next connection, which it would end."""
    refused = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.expect(mqtt5.SubscribePacket)
        await peer.send(mqtt5.SubAckPacket(asked.packet_id, [GRANTED]))
        asked = await peer.expect(mqtt5.SubscribePacket)
        assert [each.pattern for each in asked.topic_filters] == filters_of("angus", "moray")
        answer = [GRANTED, mqtt5.SubAckReasonCode.NOT_AUTHORIZED]
        await peer.send(mqtt5.SubAckPacket(asked.packet_id, answer))
        await refused.wait()

    await observer.execute(
        "update chassis.shard set subscribed = $1, filters = $2, heard_until = clock_timestamp()",
        *(filters_of("fife"), filters_of("angus", "fife", "moray")),
    )
    lease = await Lease.acquire(pool, "alarms", "ours")
    assert lease is not None
    async with scripted_server(script) as url:
        first = [Filter(each) for each in sorted(first_asked(lease))]
        assert [each.pattern for each in first] == filters_of("fife")
        session = await Session.connect(url, SessionOptions(client_id="x", filters=tuple(first), receive_max=10))
        follow = asyncio.create_task(Follower(session, lease, Filter).run())

        async def followed() -> bool:
            return await subscribed(observer) == filters_of("angus", "fife")

        await until(followed, what="what was granted to be said")
        assert session.reason is None
        refused.set()
        follow.cancel()
        await asyncio.gather(follow, return_exceptions=True)
        await session.close()
    assert [row["filters"] for row in await observer.fetch("select filters from chassis.hearing_lapse")] == [
        filters_of("angus")
    ]
