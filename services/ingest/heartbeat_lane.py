"""The heartbeat lane: large batches, two transactions in flight, PUBACKs in the order of arrival as they commit."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from functools import reduce
from typing import Any

import structlog

from services.chassis.clock import Clock
from services.chassis.mqtt import Disconnected, Filter, Session
from services.chassis.postgres.errors import is_data_error
from services.chassis.shard import Progress
from services.ingest.heartbeat_batch import STATUS_ENDING, Batch, Part, slices
from services.ingest.heartbeat_store import Counts, HeartbeatStore
from services.ingest.metrics import Tally
from services.ingest.patience import Patience

_log = structlog.get_logger(__name__)

BATCH_MAX = 5_000
RECEIVE_MAX = 20_000
LINGER_S = 0.05
"""Only while fewer than a batch are here. Nobody waits for a heartbeat, and a transaction costs as much as dozens of rows."""
SLICE = 250
"""So many are decoded without a pause: for that long an alarm may have to wait."""
ALONE_BELOW = 4_000
"""A smaller batch is stored in one transaction: the other processor is an alarm's. *Measured* on two, with 10,000 heartbeats a
second: 99 of 100 alarms were at the hub within 116 ms, and within 221 ms when both processors stored heartbeats at once."""
UNDER_WAY_MAX = 2
"""Batches taken and not acknowledged: one is decoded while another is stored. Meanwhile the next one grows."""


class _UnderWay:
    """Batches in their order, each with the task that stores it."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(UNDER_WAY_MAX)
        self.queue: asyncio.Queue[tuple[Batch, asyncio.Task[None]] | None] = asyncio.Queue()
        self.storing: set[asyncio.Task[None]] = set()

    def add(self, batch: Batch, storing: Coroutine[Any, Any, None]) -> None:
        """Start storing it."""
        task = asyncio.create_task(storing)
        self.storing.add(task)
        task.add_done_callback(self.storing.discard)
        self.queue.put_nowait((batch, task))


def filter_of(pattern: str) -> Filter:
    """`status` says itself that it was retained, for the first time it is told too: a hint, never life (design, "MQTT")."""
    return Filter(pattern, retain_as_published=pattern.endswith(STATUS_ENDING), retain_handling=1)


class HeartbeatLane:
    """`work` is its shard's work. It has one store for each transaction that may be in flight."""

    def __init__(self, stores: Sequence[HeartbeatStore], heartbeats: Tally, statuses: Tally, clock: Clock) -> None:
        self._stores = stores
        self._turn = asyncio.Lock()  # batch after batch, first come, first served: a device's rows stay in order
        self._heartbeats = heartbeats
        self._statuses = statuses
        self._clock = clock
        self.patience = Patience("heartbeat")

    async def work(self, session: Session, progress: Progress) -> None:
        """Until the session ends. What is under way then is stored all the same: so much less comes again."""
        under_way = _UnderWay()
        take = asyncio.create_task(self._take(session, progress, under_way))
        acknowledge = asyncio.create_task(self._acknowledge(session, progress, under_way))
        try:
            await asyncio.wait({take, acknowledge}, return_when=asyncio.FIRST_EXCEPTION)
            for each in (take, acknowledge):
                if each.done():
                    each.result()
        finally:
            tasks = [take, acknowledge, *under_way.storing]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, session: Session, progress: Progress, under_way: _UnderWay) -> None:
        while True:
            await under_way.room.acquire()
            try:
                messages = await session.batch(BATCH_MAX, LINGER_S)
            except Disconnected:
                under_way.queue.put_nowait(None)
                return
            progress.taken(len(messages))
            stores = 1 if len(messages) < ALONE_BELOW else len(self._stores)
            batch = Batch(messages, self._clock.now(), [Part() for _ in range(stores)])
            for start, end in slices(len(messages), SLICE):
                batch.decode(start, end)
                await asyncio.sleep(0)
            under_way.add(batch, self._store(batch))

    async def _acknowledge(self, session: Session, progress: Progress, under_way: _UnderWay) -> None:
        while (stored := await under_way.queue.get()) is not None:
            batch, task = stored
            await task
            session.puback(batch.messages)
            progress.stored(len(batch.messages))
            under_way.room.release()

    async def _store(self, batch: Batch) -> None:
        started_at = time.perf_counter()
        self._heartbeats.received(batch.heartbeats)
        self._statuses.received(batch.statuses)
        try:
            async with self._turn:
                parts = zip(self._stores, batch.parts, strict=False)  # a small batch has fewer
                counts = await asyncio.gather(*(self._store_part(store, part, batch) for store, part in parts))
        except BaseException:
            self._heartbeats.given_back(batch.heartbeats)
            self._statuses.given_back(batch.statuses)
            raise
        stored, duplicate, refused = reduce(Counts.plus, counts)
        self._heartbeats.settled(
            stored=stored,
            duplicate=duplicate,
            quarantined=batch.quarantined_heartbeats + refused,
            took_s=time.perf_counter() - started_at,
        )
        if batch.statuses:
            self._statuses.settled(
                stored=batch.statuses - batch.quarantined_statuses,
                quarantined=batch.quarantined_statuses,
                took_s=time.perf_counter() - started_at,
            )

    async def _store_part(self, store: HeartbeatStore, part: Part, batch: Batch) -> Counts:
        return await self._commit(store, part, batch) if part else Counts(0, 0)

    async def _commit(self, store: HeartbeatStore, part: Part, batch: Batch) -> Counts:
        """One transaction; where a row is refused, two, and so on down to that row, which costs no other."""
        try:
            return await self.patience.store(lambda: store.store(part, batch.received_at))
        except Exception as error:
            if not is_data_error(error) or part.size == 0:
                raise
            if part.size == 1:
                _log.error("heartbeat_refused_by_database", error=type(error).__name__)
                counts = await self._commit(store, part.without_rows(batch.refused), batch)
                return counts._replace(refused=1)
        halves = [await self._commit(store, half, batch) for half in part.halves()]
        return reduce(Counts.plus, halves)
