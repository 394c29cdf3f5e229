"""Two ingest processes: one works. Whatever befalls it, the other takes over within seconds, and it does no harm on its return."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tests.support.devices import Traffic, boxes, insist
from tests.support.processes import ServiceProcess
from tests.support.servers import Broker, Database, TcpProxy, until

TAKEN_OVER_S = 40.0  # some twelve at most, and a busy machine's own
LEASE_S = 4
LONG_S = 60.0  # no pause is as long, and a takeover that waits for it comes too late
# Who took a shard, from whom, and for how long that one had said nothing. Whoever has let go of one is nobody.
_REMEMBER = """
create table public.taken (shard text, by text, from_whom text, silent_s float8);
create function public.remember_taken() returns trigger language plpgsql security definer as $$
begin
    insert into public.taken values
        (new.shard, new.holder, old.holder, extract(epoch from clock_timestamp() - old.renewed_at));
    return null;
end $$;
create trigger remember_taken after update of holder on chassis.shard
    for each row when (new.holder is distinct from old.holder and new.holder is not null)
    execute function public.remember_taken();
"""
_ROBBED = "select * from public.taken where from_whom is not null and silent_s < $1"


@dataclass
class Pair:
    """The worker, reached by proxies so that it can be cut off, and the one that stands by."""

    worker: ServiceProcess
    standby: ServiceProcess
    to_broker: TcpProxy
    to_database: TcpProxy
    database: "asyncpg.Connection[asyncpg.Record]"

    async def holders(self) -> set[int | None]:
        """Process ids of those who hold ingest's shards."""
        rows = await self.database.fetch("select holder from chassis.shard where service = 'ingest'")
        # an instance is host-pid-random
        return {int(row["holder"].split("-")[-2]) if row["holder"] else None for row in rows}

    async def begin(self) -> None:
        """Return when the worker works both shards, and the other stands by.

        Did the worker pause for longer than its lease while that one started, it has them; asked to stop, it hands them back.
        """
        while True:
            await self.standby.ready()
            if await self.worker_works():
                return
            assert await self.standby.stop() == 0
            await until(self.worker_works, 60, what="the worker to have its shards back")
            self.standby.start()

    async def worker_works(self) -> bool:
        return await self.holders() == {self.worker.pid}

    async def generations(self) -> list[int]:
        rows = await self.database.fetch("select generation from chassis.shard where service = 'ingest' order by shard")
        return [row["generation"] for row in rows]

    async def taken_over(self) -> None:
        """Wait until the standby works both shards."""

        async def theirs() -> bool:
            return await self.holders() == {self.standby.pid}

        await until(theirs, TAKEN_OVER_S, what="the standby to have taken over")

    async def check(self, pressed: int) -> None:
        """Nothing lost, nothing twice; and nobody took a shard from one who had said of late that he works it."""
        assert await self.database.fetchval("select count(*) from ingest.alarm_event") == pressed
        assert await self.database.fetchval("select count(*) from chassis.event_log where stream = 'alarms'") == pressed
        assert await self.database.fetch(_ROBBED, LEASE_S) == []


@pytest.fixture
def lease_s() -> float | None:
    """How long a lease lasts; None: as it does."""
    return None


@pytest.fixture
async def pair(
    database: Database,
    broker: Broker,
    tcp_proxy: Callable[[str], Awaitable[TcpProxy]],
    tmp_path: Path,
    lease_s: float | None,
) -> AsyncIterator[Pair]:
    to_broker, to_database = await tcp_proxy(broker.url), await tcp_proxy(database.url)
    worker, standby = (
        ServiceProcess(
            "ingest", database_url=there.url, mqtt_url=its.url, log=tmp_path / f"{name}.log", lease_s=lease_s
        )
        for name, there, its in (("worker", to_database, to_broker), ("standby", database, broker))
    )
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_REMEMBER)
        worker.start()
        await worker.ready()
        standby.start()
        pair = Pair(worker, standby, to_broker, to_database, connection)
        await pair.begin()
        yield pair
    finally:
        worker.kill()
        standby.kill()
        await connection.close()


Befall = Callable[[Pair], object]


@pytest.mark.parametrize(
    ("befall", "mend"),
    [
        pytest.param(lambda pair: pair.worker.pause(), lambda pair: pair.worker.resume(), id="is stopped"),
        pytest.param(lambda pair: pair.to_broker.cut(), lambda pair: pair.to_broker.restore(), id="loses the broker"),
        pytest.param(
            lambda pair: pair.to_broker.blackhole(), lambda pair: pair.to_broker.restore(), id="hears no broker"
        ),
        pytest.param(
            lambda pair: pair.to_database.cut(), lambda pair: pair.to_database.restore(), id="loses the database"
        ),
        pytest.param(
            lambda pair: pair.to_database.blackhole(), lambda pair: pair.to_database.restore(), id="hears no database"
        ),
    ],
)
async def test_the_worker(befall: Befall, mend: Befall, pair: Pair, broker: Broker) -> None:
    async with boxes(broker, 5) as made:
        traffic = Traffic(made)
        async with traffic.flowing():
            await traffic.more(20)
            befall(pair)
            await pair.taken_over()
            await traffic.more(20)
            mend(pair)
            await pair.worker.ready()  # as a standby: it takes nothing from the other, unless that one pauses too
            await traffic.more(20)
        await insist(traffic.pressed)
        await pair.check(len(traffic.pressed))


async def test_the_worker_is_killed(pair: Pair, broker: Broker) -> None:
    async with boxes(broker, 5) as made:
        traffic = Traffic(made)
        async with traffic.flowing():
            await traffic.more(20)
            pair.worker.kill()
            await pair.taken_over()
            await traffic.more(20)
        await insist(traffic.pressed)
    await pair.check(len(traffic.pressed))


@pytest.mark.parametrize("lease_s", [LONG_S], ids=["with a lease that does not lapse"])
async def test_a_worker_that_is_asked_to_stop_hands_over_at_once(pair: Pair, broker: Broker) -> None:
    async with boxes(broker, 5) as made:
        traffic = Traffic(made)
        async with traffic.flowing():
            await traffic.more(20)
            before = await pair.generations()
            assert await pair.worker.stop() == 0
            await pair.taken_over()
        await insist(traffic.pressed)
    await pair.check(len(traffic.pressed))
    assert await pair.generations() == [each + 1 for each in before]
    assert await pair.database.fetchval("select count(*) from chassis.session_gap") == 0
