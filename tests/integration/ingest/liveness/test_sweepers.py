"""Whoever sweeps, and however often it is killed: every verdict once."""

import asyncio
import signal
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.chassis.clock import DatabaseClock
from services.chassis.postgres import Connection
from services.ingest.liveness import sweep as sweeping
from services.ingest.liveness import verdicts
from services.ingest.liveness.promises import Promises, read_promises
from services.ingest.metrics import LivenessMetrics
from tests.integration.ingest.liveness.test_silence import turns
from tests.integration.ingest.liveness.watch import Watch, run_watch
from tests.support.servers import Database

COUNT = 1000


async def a_crowd(watch: Watch, count: int = COUNT) -> None:
    """So many devices, all heard just now."""
    await watch.database.execute(
        "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at) "
        "select 'TC-' || n, 'fife', 'SN-' || n, 'Careline 3', 'live', $1, $1 from generate_series(1, $2) n",
        *(watch.clock.now(), count),
    )
    await watch.database.execute(
        "insert into chassis.event_log (stream, key, urgency, body, created_at, not_before) "
        "select 'devices', device_id, 5, '{}', $1, $1 from registry.device",
        watch.clock.now(),
    )
    await watch.learn()
    await watch.database.execute("update ingest.liveness set last_heard_at = $1", watch.clock.now())


async def sweeper(database: Database, watch: Watch, *, dies_after: int) -> int:
    """Another process sweeps; its exit status."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.sweeping", database.url, watch.clock.now().isoformat(), str(dies_after))
    )
    return await process.wait()


async def two_at_once(watch: Watch, room: Any) -> None:
    """Two processes look, each believing that it is the one that sweeps, before either stores a verdict with `room.store`."""
    both_looked, store = asyncio.Barrier(2), room.store
    stored = 0

    async def store_together(*arguments: object) -> object:
        nonlocal stored
        stored += 1
        if stored <= 2:
            async with asyncio.timeout(60):
                await both_looked.wait()
        return await store(*arguments)

    lease_s = sweeping.LEASE_S
    room.store = store_together
    sweeping.LEASE_S = -1.0  # type: ignore[misc]  # so every lease has lapsed when the next is asked for
    try:
        await asyncio.gather(*(watch.sweeper().run_once() for _ in range(2)))
    finally:
        room.store = store
        sweeping.LEASE_S = lease_s  # type: ignore[misc]
    assert stored >= 2


async def test_a_sweep_that_loses_its_power_in_the_middle_is_carried_on_by_the_next(
    watch: Watch, database: Database
) -> None:
    await a_crowd(watch)
    watch.clock.move(seconds=601)
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())
    seen = []
    for batches in (3, 1, 2):
        assert await sweeper(database, watch, dies_after=batches) == -signal.SIGKILL
        some = await watch.told()
        assert 0 < len(some) < COUNT / 3
        seen += some
        await watch.database.execute("update ingest.sweep set held_until = held_until - interval '5 seconds'")
    assert await sweeper(database, watch, dies_after=0) == 0
    seen += await watch.told()
    assert Counter(turns(seen)) == Counter({(f"TC-{n}", "began"): 1 for n in range(1, COUNT + 1)})
    assert len({each.change_id for each in seen}) == COUNT


async def test_of_two_that_sweep_at_once_one_does_and_both_may(watch: Watch, database: Database) -> None:
    await a_crowd(watch)
    watch.clock.move(seconds=601)
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())
    await asyncio.gather(*(watch.sweeper().run_once() for _ in range(2)))
    assert len(await watch.told()) == COUNT


async def test_two_that_both_believe_to_be_the_one_store_each_verdict_once(watch: Watch) -> None:
    """As when the first was stopped for so long that its lease went to another."""
    await a_crowd(watch)
    watch.clock.move(seconds=601)
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())
    await two_at_once(watch, verdicts)
    seen = await watch.told()
    assert Counter(turns(seen)) == Counter({(f"TC-{n}", "began"): 1 for n in range(1, COUNT + 1)})


async def test_a_sweeper_that_ends_leaves_the_sweep_to_the_next_at_once(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.look()
    watch.clock.move(seconds=601)
    other = watch.sweeper()
    assert await watch.look(other) == []
    await watch.sweep.release()
    assert turns(await watch.look(other)) == [("TC-1", "began")]


async def test_a_lease_given_before_the_clock_was_put_back_holds_nobody_up(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.look()
    await watch.database.execute("update ingest.sweep set held_until = held_until + interval '2 hours'")
    watch.clock.move(seconds=601)
    assert turns(await watch.look(watch.sweeper())) == [("TC-1", "began")]


async def test_what_one_process_learns_from_the_register_another_that_sweeps_looks_at(
    watch: Watch, database: Database
) -> None:
    await watch.model("Quick", interval_s=10, silent_s=30)
    await watch.register("TC-1", model="Slow")
    assert await watch.look() == []
    async with run_watch(database.url) as other:
        await other.register("TC-2", model="quick")
    watch.clock.move(seconds=31)
    assert turns(await watch.look()) == [("TC-2", "began")]


class StoppedClock(DatabaseClock):
    """The clock of a machine that was stopped for twenty minutes and has not asked the database since."""

    def __init__(self) -> None:
        super().__init__()
        self._told -= timedelta(minutes=20)


async def test_whoever_was_stopped_for_a_while_and_takes_over_puts_nobodys_last_word_back(
    watch: Watch, database: Database
) -> None:
    await a_crowd(watch, 3)
    heard = "update ingest.liveness set last_heard_at = clock_timestamp()"
    for statement in (heard, "update chassis.shard set heard_until = clock_timestamp()"):
        await watch.database.execute(statement)
    stopped = StoppedClock()
    late = sweeping.Sweep(watch.pool, stopped, "late", LivenessMetrics(CollectorRegistry()))
    await late.run_once()
    oldest = await watch.database.fetchval("select clock_timestamp() - min(last_heard_at) from ingest.liveness")
    assert oldest < timedelta(minutes=1)


@pytest.mark.parametrize("silent", [False, True])
async def test_what_was_heard_while_a_sweep_stood_still_is_no_future_to_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """The database, or the machine, stops for two minutes in its midst; it goes on by the time when it began."""
    await watch.register("TC-1")
    await watch.look()
    watch.clock.move(seconds=601)
    if silent:
        assert turns(await watch.look()) == [("TC-1", "began")]

    async def after_two_minutes(connection: Connection) -> Promises:
        watch.clock.move(seconds=120)
        await watch.hear("TC-1")
        return await read_promises(connection)

    monkeypatch.setattr(sweeping, "read_promises", after_two_minutes)
    await watch.look()
    assert (await watch.row("TC-1"))["last_heard_at"] == watch.clock.now()
