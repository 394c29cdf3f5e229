"""The log between services: nothing skipped, nothing overtaken, one slow or broken key delays no other."""

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg
import pytest

from services.chassis.event_log import AfterCommit, Consumer, LogEntry, LogRow, append
from services.chassis.event_log import consumer as consuming
from services.chassis.postgres import Connection, Pool, open_pool
from tests.integration.alerts.world import MovedClock
from tests.support.servers import Database, until

STREAM = "numbers"


class Log:
    """A stream, and handlers that do as they are told."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.clock = MovedClock()
        self.handled: dict[str, list[int]] = defaultdict(list)
        self.handled_at: list[datetime] = []
        self.poisoned: list[int] = []
        self.committed: list[int] = []
        self.failing: dict[int, Exception] = {}
        self.poison_fails = False
        self.entered = asyncio.Event()
        self.gates: dict[str, asyncio.Event] = {}

    def consumer(self, gives_way: bool = False) -> Consumer:
        return Consumer(STREAM, self.handle, self.handle_poison, self.pool, self.clock, gives_way=lambda: gives_way)

    async def append(self, key: str, *numbers: int, urgency: int = 3) -> None:
        entries = [LogEntry(STREAM, key, urgency, json.dumps({"number": number})) for number in numbers]
        async with self.pool.acquire() as connection:
            await append(connection, entries, self.clock.now())

    async def handle(self, connection: Connection, row: LogRow, now: datetime) -> AfterCommit:
        number: int = json.loads(row.body)["number"]
        self.entered.set()
        if row.key in self.gates:
            await self.gates[row.key].wait()
        await connection.execute("update chassis.event_log set last_error = 'half done' where key = 'witness'")
        if number in self.failing:
            raise self.failing[number]
        self.handled[row.key].append(number)
        self.handled_at.append(now)
        return lambda: self.committed.append(number)

    async def handle_poison(self, _connection: Connection, row: LogRow, _now: datetime) -> None:
        if self.poison_fails:
            raise RuntimeError("poison for the poison handler too")
        self.poisoned.append(json.loads(row.body)["number"])

    async def rows(self) -> list[asyncpg.Record]:
        return await self.pool.fetch("select * from chassis.event_log where key <> 'witness' order by event_log_id")


@pytest.fixture
async def log(database: Database) -> AsyncIterator[Log]:
    pool = await open_pool(database.url, role="telecare_alerts", name="test")
    yield Log(pool)
    pool.terminate()


async def test_what_was_appended_is_handled_once_in_order_and_then_gone(log: Log) -> None:
    await log.append("a", 1, 2, 3)
    assert await log.consumer().run_once() == 3
    assert await log.consumer().run_once() == 0
    assert (log.handled, log.committed, await log.rows()) == ({"a": [1, 2, 3]}, [1, 2, 3], [])


async def test_rows_of_a_key_keep_their_order_with_many_consumers_at_once(log: Log) -> None:
    numbers = itertools.count()
    for _ in range(20):
        for key in ("a", "b", "c"):
            await log.append(key, next(numbers))
    consumers = [log.consumer() for _ in range(4)]

    async def drain(consumer: Consumer) -> None:
        while await log.rows():
            await consumer.run_once()

    await asyncio.gather(*map(drain, consumers))
    assert {key: len(seen) for key, seen in log.handled.items()} == {"a": 20, "b": 20, "c": 20}
    assert all(seen == sorted(seen) for seen in log.handled.values())


async def test_a_key_that_is_slow_delays_no_other_and_is_handled_by_one_at_a_time(log: Log) -> None:
    log.gates["slow"] = asyncio.Event()
    await log.append("slow", 1, urgency=1)
    slow = asyncio.create_task(log.consumer().run_once())
    await log.entered.wait()
    await log.append("slow", 2, urgency=1)  # not locked as a row, but its key is
    await log.append("quick", 3)
    assert await log.consumer().run_once() == 1
    assert log.handled == {"quick": [3]}
    assert await log.consumer().run_once() == 0
    log.gates["slow"].set()
    await slow
    await log.consumer().run_once()
    assert log.handled["slow"] == [1, 2]


async def test_what_a_claim_had_to_wait_for_is_handled_by_the_time_when_it_was_had(log: Log) -> None:
    """By an earlier one an alarm's ladder would have begun before it was told of, and its first minute be over too soon."""
    await log.append("a", 1, 2)
    async with log.pool.acquire() as connection, connection.transaction():
        await connection.execute("select from chassis.event_log order by event_log_id desc limit 1 for update")
        claim = asyncio.create_task(log.consumer().run_once())
        waits = "select count(*) > 0 from pg_locks where not granted"
        await until(lambda: log.pool.fetchval(waits), what="the claim to wait for its second row")
        log.clock.move(60)
    assert await claim == 2
    assert log.handled_at == [log.clock.now()] * 2


async def test_the_most_urgent_key_comes_first_with_what_waits_before_it(log: Log) -> None:
    await log.append("low", 1, urgency=5)
    await log.append("mixed", 2, urgency=5)
    await log.append("mixed", 3, urgency=1)
    await log.consumer().run_once()
    assert log.handled == {"mixed": [2, 3]}


async def test_a_producer_whose_clock_is_fast_delays_nothing(log: Log) -> None:
    log.clock.move(3600)
    await log.append("a", 1, 2)
    log.clock.move(-3600)
    assert await log.consumer().run_once() == 2
    log.failing[3] = ValueError()
    log.clock.move(3600)
    await log.append("a", 3, 4)
    log.clock.move(-3600)
    await log.consumer().run_once()
    log.failing.clear()
    log.clock.move(0.5)
    await log.consumer().run_once()
    assert log.committed == [1, 2, 3, 4]


async def test_a_row_that_fails_is_put_off_with_those_behind_it_and_nobody_else(log: Log) -> None:
    await log.append("witness", 0, urgency=5)
    log.failing[2] = ValueError("the text of a person's alarm")
    await log.append("a", 1, 2, 3)
    await log.append("b", 4)
    assert await log.consumer().run_once() == 2
    await log.consumer().run_once()
    assert log.committed == [1, 4]
    failed, behind = await log.rows()
    assert (failed["attempts"], failed["last_error"]) == (1, "ValueError")
    assert 0.19 < (failed["not_before"] - log.clock.now()).total_seconds() < 0.21
    assert behind["attempts"] == 0
    log.failing.clear()
    log.clock.move(0.3)
    await log.consumer().run_once()
    assert log.committed == [1, 4, 2, 3]


async def test_what_a_failed_attempt_did_is_undone(log: Log) -> None:
    await log.append("witness", 0, urgency=5)
    log.gates["witness"] = asyncio.Event()
    log.failing[1] = ValueError()
    await log.append("a", 1)
    await log.consumer().run_once()
    witness = await log.pool.fetchval("select last_error from chassis.event_log where key = 'witness'")
    assert witness is None


async def test_the_fifth_failure_is_seen_to_in_another_way_and_the_rest_goes_on(log: Log) -> None:
    log.failing[1] = ValueError()
    await log.append("a", 1, 2)
    for _ in range(4):
        await log.consumer().run_once()
        log.clock.move(10)
    assert (log.poisoned, log.handled) == ([], {})
    await log.consumer().run_once()
    assert (log.poisoned, log.handled, await log.rows()) == ([1], {"a": [2]}, [])


async def test_poison_that_cannot_be_seen_to_is_kept_and_keeps_nobody_else_waiting(log: Log) -> None:
    log.failing[1] = ValueError()
    log.poison_fails = True
    await log.append("a", 1, urgency=1)
    for _ in range(8):
        log.clock.move(10)
        await log.consumer().run_once()
    (kept,) = await log.rows()
    assert kept["attempts"] == 8
    await log.append("b", 2)
    await log.consumer().run_once()
    assert log.handled == {"b": [2]}
    log.poison_fails = False
    log.clock.move(11)
    await log.consumer().run_once()
    assert log.poisoned == [1]


@pytest.mark.parametrize("passing", [OSError("away"), TimeoutError(), asyncpg.DeadlockDetectedError()])
async def test_what_passes_by_itself_counts_as_no_attempt(log: Log, passing: Exception) -> None:
    log.failing[2] = passing
    await log.append("a", 1, 2)
    with pytest.raises(type(passing)):
        await log.consumer().run_once()
    assert [(row["attempts"], row["last_error"]) for row in await log.rows()] == [(0, None), (0, None)]
    assert log.committed == []


async def test_a_poke_wakes_the_loops_until_nothing_is_due(log: Log) -> None:
    consumer = log.consumer()
    tasks = [asyncio.create_task(loop.run()) for loop in consumer.loops()]
    for key in ("a", "b", "c"):
        log.gates[key] = asyncio.Event()
        await log.append(key, 1)
    consumer.poke("another stream")
    consumer.poke(STREAM)

    async def locked_keys() -> int:
        locks = (
            "select count(*) from pg_locks where locktype = 'advisory' and granted "
            "and database = (select oid from pg_database where datname = current_database())"
        )
        return int(await log.pool.fetchval(locks))

    async def three_at_work() -> bool:
        return await locked_keys() == 3

    async def all_done() -> bool:
        return not await log.rows()

    await until(three_at_work)
    for gate in log.gates.values():
        gate.set()
    await until(all_done)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_while_somebody_has_urgent_work_what_is_not_urgent_is_taken_now_and_then(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = log.consumer(gives_way=True).loops()[:2]
    await log.append("mains", 1, urgency=4)
    await log.append("heating", 2, urgency=4)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(
            consuming, "POLL_EVERY_S", 600.0
        )  # a machine that pauses for a second must not make it "then"
        assert await first.run_once() == 1
        assert await second.run_once() == 0
        await log.append("fall", 3, urgency=1)
        assert await second.run_once() == 1
    assert log.handled == {"mains": [1], "fall": [3]}

    async def taken_at_last() -> bool:
        return await second.run_once() == 1

    await until(taken_at_last)
    assert log.handled["heating"] == [2]


async def test_ten_thousand_that_come_at_once_into_a_log_that_was_empty_for_long_are_claimed_as_quickly(
    log: Log, database: Database
) -> None:
    """A claim that was planned for the empty log, and kept, took 20 s each."""
    claimer = log.consumer().loops()[0]
    for _ in range(10):  # a statement's plan is kept from its sixth run on
        assert await claimer.run_once() == 0
    owner = await asyncpg.connect(database.url)
    try:
        await owner.execute("vacuum analyze chassis.event_log")
        for _ in range(10):
            assert await claimer.run_once() == 0
        await owner.execute(
            "insert into chassis.event_log (stream, key, urgency, body, created_at, not_before) "
            "select $1, 'TC-' || n, 4, '{\"number\": 1}', now(), now() from generate_series(1, 10000) as n",
            STREAM,
        )
        async with asyncio.timeout(60):
            for _ in range(20):
                assert await claimer.run_once() == 1
    finally:
        await owner.close()
