"""Receipts: what lets a device stop repeating an alarm. Sent after the commit, beside the lane; one that fails is asked for."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.device import Receipt, ReceiptState
from contracts.topics import reply_topic
from services.chassis.clock import Clock
from services.chassis.mqtt import Publisher, PublishFailed
from services.chassis.postgres import Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.ingest.sql import QUERIES

_log = structlog.get_logger(__name__)

UNSENT_MAX = 10_000
"""So many wait at most; more are left out, for the devices repeat."""
_STATES_TIMEOUT_S = 2.0

_State: TypeAlias = tuple[ReceiptState, str | None]
_STORED: _State = ("stored", None)


@dataclass(frozen=True, slots=True)
class Owed:
    """A receipt to send: to the topic's device, whatever of the topic is well-formed."""

    topic: str
    event: AlarmEvent


class Receipts:
    """`send` returns at once. Stop it with `close`."""

    def __init__(self, publisher: Publisher, pool: Pool, clock: Clock) -> None:
        self._publisher = publisher
        self._pool = pool
        self._clock = clock
        self._unsent = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Semaphore(2)

    def send(self, new: Sequence[Owed], repeated: Sequence[Owed]) -> None:
        """New alarms are receipted `stored`, repeats with what has become of their alarm since."""
        for owed in new:
            self._spawn(self._publish(owed, "stored", None), 1)
        if repeated:
            self._spawn(self._send_repeated(repeated), len(repeated))

    async def close(self) -> None:
        """Give up on what is not sent yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None], count: int) -> None:
        if self._unsent + count > UNSENT_MAX:
            work.close()
            _log.warning("receipts_left_out", count=count)
            return
        self._unsent += count
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._sent(done, count))

    def _sent(self, task: asyncio.Task[None], count: int) -> None:
        self._tasks.discard(task)
        self._unsent -= count
        if not task.cancelled() and task.exception() is not None:
            _log.error("receipt_broke", exc_info=task.exception())

    async def _send_repeated(self, repeated: Sequence[Owed]) -> None:
        states = await self._states(repeated)
        for owed in repeated:
            state, alarm_id = states.get(owed.event.event_id, _STORED)
            await self._publish(owed, state, alarm_id)

    async def _states(self, repeated: Sequence[Owed]) -> dict[str, _State]:
        """By event. Without the database's answer every alarm is still what it certainly is: stored."""
        event_ids = [owed.event.event_id for owed in repeated]
        try:
            async with self._asking, asyncio.timeout(_STATES_TIMEOUT_S), borrow(self._pool) as connection:
                rows = await connection.fetch(QUERIES["receipt_states"], event_ids)
        except Exception as error:
            if not is_transient(error):
                raise
            return {}
        return {str(row["event_id"]): (row["state"], str(row["alarm_id"])) for row in rows}

    async def _publish(self, owed: Owed, state: ReceiptState, alarm_id: str | None) -> None:
        topic = reply_topic(owed.topic, "receipt")
        if topic is None:
            return  # not a device's topic: nobody listens for an answer
        event = owed.event
        receipt = Receipt.of(event, state, alarm_id, self._clock.now())
        try:
            # Without an expiry: the embedded broker loses what has MQTT 5 properties on the way to a 3.1.1 box.
            await self._publisher.publish(topic, receipt.model_dump_json().encode())
        except PublishFailed as error:
            _log.info("receipt_not_sent", event_id=event.event_id, reason=str(error))
        except ValueError:
            _log.warning("receipt_not_sendable", event_id=event.event_id)
