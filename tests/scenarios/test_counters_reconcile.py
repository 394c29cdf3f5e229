"""Ingest and the broker are killed under traffic, and Prometheus's counters still say what became of every message.

`received = stored + duplicate + quarantined + in flight` (contract, "Prometheus"): in every scrape of every process, over the
lives of processes, whose counters begin again at nought, and against what is in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import aiohttp
import asyncpg

from tests.blackbox.api import Metrics
from tests.blackbox.box import Box
from tests.support.devices import Traffic, boxes, insist
from tests.support.processes import ServiceProcess
from tests.support.servers import Broker, Database, DatabaseServer, until

SCRAPE_EVERY_S: Final = 0.1
Lane = Literal["alarm", "heartbeat"]
LANES: Final[tuple[Lane, ...]] = ("alarm", "heartbeat")
SETTLED: Final = ("stored", "duplicate", "quarantined")
OUTCOMES: Final = ("received", *SETTLED)


@dataclass(frozen=True)
class Scrape:
    """What a process said; `asked_at` is before it was asked."""

    asked_at: datetime
    counted: dict[tuple[Lane, str], float]

    def in_flight(self, lane: Lane) -> float:
        return self.counted[lane, "received"] - sum(self.counted[lane, each] for each in SETTLED)


@dataclass
class Instance:
    """A process, killed and started again: one series to Prometheus, as long as its address is the same."""

    process: ServiceProcess
    scrapes: list[Scrape] = field(default_factory=list)
    dead_at: list[datetime] = field(default_factory=list)

    async def scraped(self, http: aiohttp.ClientSession) -> None:
        """Once, if it answers."""
        asked_at = datetime.now(UTC)
        try:
            async with http.get(f"{self.process.url}/metrics") as answer:
                metrics = Metrics(await answer.text())
        except (aiohttp.ClientError, TimeoutError):
            return
        counted = {
            (lane, outcome): metrics.value("telecare_messages_total", lane=lane, outcome=outcome)
            for lane in LANES
            for outcome in OUTCOMES
        }
        self.scrapes.append(Scrape(asked_at, counted))

    async def killed(self) -> None:
        await asyncio.to_thread(self.process.kill)
        self.dead_at.append(datetime.now(UTC))

    @property
    def kills(self) -> list[tuple[Scrape, datetime]]:
        """The last scrape of each life that was ended, and when it was dead. Its answer may have been read after that."""
        return [([each for each in self.scrapes if each.asked_at < at][-1], at) for at in self.dead_at]

    def increase(self, lane: Lane, outcome: str) -> float:
        """As Prometheus reckons it: what is less than before began again at nought."""
        return sum(self._steps([scrape.counted[lane, outcome] for scrape in self.scrapes]))

    @staticmethod
    def _steps(values: Sequence[float]) -> Iterator[float]:
        before = 0.0
        for value in values:
            yield value - before if value >= before else value
            before = value


@asynccontextmanager
async def watched(*instances: Instance) -> AsyncIterator[None]:
    """Scraped all the while."""

    async def watch(instance: Instance, http: aiohttp.ClientSession) -> None:
        while True:
            await instance.scraped(http)
            await asyncio.sleep(SCRAPE_EVERY_S)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
        watching = [asyncio.create_task(watch(each, http)) for each in instances]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)


@dataclass(frozen=True)
class Truth:
    """When each row was received that the database has of a lane, and how often one came again."""

    received_at: Sequence[datetime]
    repeats: int

    def between(self, first: datetime, last: datetime) -> int:
        return sum(first <= at <= last for at in self.received_at)


async def truth(database: Database) -> dict[Lane, Truth]:
    connection = await asyncpg.connect(database.url)
    try:
        alarms = await connection.fetch("select received_at, repeats from ingest.alarm_event")
        beats = await connection.fetch(
            "select received_at from ingest.heartbeat union all select received_at from ingest.quarantine where lane = 'heartbeat'"
        )
    finally:
        await connection.close()
    return {
        "alarm": Truth([row["received_at"] for row in alarms], sum(row["repeats"] for row in alarms)),
        "heartbeat": Truth([row["received_at"] for row in beats], 0),
    }


async def test_received_is_stored_duplicate_quarantined_and_in_flight_through_kills_of_ingest_and_broker(
    own_postgres: DatabaseServer, broker: Broker, tmp_path: Path
) -> None:
    database = await own_postgres.create_database()
    one, two = (
        Instance(ServiceProcess("ingest", database_url=database.url, mqtt_url=broker.url, log=tmp_path / f"{name}.log"))
        for name in ("one", "two")
    )
    try:
        one.process.start()
        await one.process.ready()
        two.process.start()
        async with watched(one, two), boxes(broker, 5) as made:
            traffic = Traffic(made)
            async with traffic.flowing():
                await traffic.more(100)
                made[0].say("heartbeat", b"no heartbeat")
                await stored_more(one, two, 20)

                await one.killed()  # it works on the shards; the other takes over
                await stored_more(two, one, 50)

                # Nobody else is there from now on while there is traffic: what one process gives back, for a pause was longer than
                # its lease, and another takes is in flight for good to the first.
                given_up = len(two.process.events("shard_given_up"))  # it may have paused for as long as a lease before
                own_postgres.pause()  # until what is in hand is given back to the broker
                await until(
                    lambda: len(two.process.events("shard_given_up")) > given_up, 60, what="a shard to be given up"
                )
                own_postgres.resume()
                await stored_more(two, one, 50)

                before = two.scrapes[-1]
                await asyncio.to_thread(broker.kill)
                await traffic.more(20)
                forgotten = before, datetime.now(UTC)
                await asyncio.to_thread(broker.start)
                await stored_more(two, one, 50)
            # What was given back has come again, and is counted once.
            # Nobody presses meanwhile: a busy machine always has something in hand.
            await settled(traffic, made[0], two)
            async with traffic.flowing():
                await stored_more(two, one, 20)
                await two.killed()
                one.process.start()
                await one.process.ready()
                await stored_more(one, two, 50)
                made[1].say("heartbeat", b"none either")
                await traffic.more(20)
            await settled(traffic, made[0], one)
            two.process.start()
            await two.process.ready()
            await until(lambda: two.scrapes[-1].asked_at > two.dead_at[-1], what="its counters to have begun again")
    finally:
        one.process.kill()
        two.process.kill()

    there = await truth(database)
    assert len(there["alarm"].received_at) == len(traffic.pressed)
    for lane in LANES:
        reconcile(lane, (one, two), there[lane], forgotten)
    assert sum(each.increase("heartbeat", "quarantined") for each in (one, two)) > 0
    assert one.kills[0][0].counted["alarm", "stored"] > 0, "it was killed at its work"


async def stored_more(working: Instance, other: Instance, count: int) -> None:
    """Wait until Prometheus has seen so many more alarms stored."""

    def seen() -> float:
        return working.increase("alarm", "stored") + other.increase("alarm", "stored")

    before = seen()
    await until(lambda: seen() >= before + count, 60, what=f"{count} more alarms to be stored")


async def settled(traffic: Traffic, box: Box, *instances: Instance) -> None:
    """Wait until nothing is in flight.

    What a broker forgot when it was killed, and had been given back to it, never comes again, and is in flight until as many
    that follow are stored: a device repeats its alarm, and for each heartbeat there is another one here.
    """
    await insist(traffic.pressed)
    asked_at = datetime.now(UTC)

    def drained() -> bool:
        nonlocal asked_at
        last = [each.scrapes[-1] for each in instances]
        if any(each.asked_at < asked_at for each in last):
            return False
        if sum(each.in_flight(lane) for each in last for lane in LANES) == 0:
            return True
        for _ in range(int(sum(each.in_flight("heartbeat") for each in last))):
            box.beat()
        asked_at = datetime.now(UTC)
        return False

    await until(drained, 60, what="nothing in flight")


def reconcile(lane: Lane, instances: Sequence[Instance], there: Truth, forgotten: tuple[Scrape, datetime]) -> None:
    """The equation in each scrape, over all lives, and against the database.

    `forgotten`: the last scrape before the broker was killed, and when it was dead.
    """
    for instance in instances:
        assert all(scrape.in_flight(lane) >= 0 for scrape in instance.scrapes), (
            "nothing is settled that was not received"
        )
    kills = [kill for instance in instances for kill in instance.kills]
    assert len(kills) == 2

    def seen(*outcomes: str) -> float:
        return sum(instance.increase(lane, outcome) for instance in instances for outcome in outcomes)

    # What died with a process was in flight; nothing else ever is unaccounted for.
    died = sum(last.in_flight(lane) for last, _ in kills)
    assert seen("received") == seen(*SETTLED) + died

    # Which rows Prometheus did not see become rows: those in flight at the last scrape of one that was killed, those received
    # between that and its death; and those committed while their session ended, which came again and counted as duplicates, or
    # were forgotten by the broker.
    rows, unseen = len(there.received_at), died + forgotten[0].in_flight(lane)
    unseen += sum(there.between(last.asked_at, dead_at) for last, dead_at in (*kills, forgotten))
    new = seen("stored", "quarantined")
    assert new <= rows <= new + seen("duplicate") + unseen
    assert new > rows / 2, "else this says little"
    if lane == "alarm":
        assert seen("stored", "duplicate") <= rows + there.repeats
