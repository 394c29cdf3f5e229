"""Leases due deliveries, sends them side by side, and only then records what came of them.

A crash between sending and recording sends again under the same id: a hub called twice beats one never called.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from services.alerts import store
from services.alerts.alarms import Alarms, nothing
from services.alerts.channels import Channel, Parcel
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.delivery import HUB_KINDS, DeliveryKind, Outcome, permanent, retry_at, transient
from services.alerts.domain.triggers import Delivered, RefusedForGood
from services.alerts.metrics import Metrics
from services.alerts.store import QUERIES, Due
from services.chassis.clock import Clock
from services.chassis.event_log import AfterCommit
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import Line, borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
IN_FLIGHT_MAX: Final = 256
PER_CHANNEL_MAX: Final = 8
"""A channel that hangs holds so many sends and no more; 32 channels would have to hang before another one waits."""
_LEASED_AT_ONCE_MAX: Final = 64
_SEND_AND_RECORD_S: Final = 13.0  # within the lease's 14 s; a send has 10 s of it, and what it leaves is the record's
_RECORD_RETRY_S: Final = 0.2
GONE: Final = permanent("the channel is gone or not verified")
"""Nothing was tried, and nothing will be."""
TOO_LATE: Final = permanent("too late to be of use")
"""Nor here; what people read is why the attempts before it failed."""


@dataclass(slots=True)
class Dispatcher:
    """`run_once` starts sends and returns; `settled` waits for them."""

    pool: Pool
    clock: Clock
    channels: Mapping[DeliveryKind, Channel]
    alarms: Alarms
    metrics: Metrics
    poke: Callable[[], None] = nothing  # runs `run_once` again soon
    _sends: dict[asyncio.Task[None], str] = field(default_factory=dict, init=False)  # and its way
    _held_back: bool = field(default=False, init=False)
    _line: Line = field(init=False)  # kept: an alarm waits for no connection to be prepared
    _new: list[Due] = field(default_factory=list, init=False)  # only just written, to be leased
    _leasing: asyncio.Task[None] | None = field(default=None, init=False)  # those
    _reserved: Counter[str] = field(default_factory=Counter, init=False)  # for those, by way

    def __post_init__(self) -> None:
        self._line = Line(self.pool)

    def send(self, due: Sequence[Due]) -> None:
        """These were only just written: send what fits now, without looking for what is due. Anything else is looked for."""
        fits = self._fitting(due)
        if fits:
            self._reserved.update(way for _, way in fits)
            self._new += fits
            self._lease_soon()
        if len(fits) < len(due) or not due:
            self.poke()

    def _fitting(self, due: Sequence[Due]) -> list[Due]:
        busy = self._busy()
        fits: list[Due] = []
        for delivery_id, way in due:
            if busy[way] < PER_CHANNEL_MAX and busy.total() < IN_FLIGHT_MAX:
                busy[way] += 1
                fits.append((delivery_id, way))
        return fits

    def _busy(self) -> Counter[str]:
        """How much is under way, by way."""
        return Counter(self._sends.values()) + self._reserved

    def _lease_soon(self) -> None:
        if self._leasing is None:
            self._leasing = asyncio.create_task(self._lease_all(), name="lease-new")

    async def _lease_all(self) -> None:
        """What is new, all at once, and again what came meanwhile. With nothing left to do, make ready for the next."""
        try:
            while True:
                while self._new:
                    due, self._new = self._new, []
                    await self._lease_new(due)
                await self._make_ready()
                if not self._new:
                    return
        finally:
            self._leasing = None

    async def _make_ready(self) -> None:
        try:
            await self._line.rehearse(lambda connection: connection.fetch(QUERIES["lease_new"], self.clock.now(), []))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next lease meets it too
            _log.debug("lease_not_rehearsed", error=type(error).__name__)

    async def _lease_new(self, due: Sequence[Due]) -> None:
        try:
            rows = await self._line.fetch(QUERIES["lease_new"], self.clock.now(), [id_ for id_, _ in due])
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop meets it too, and says it
            _log.debug("new_deliveries_not_leased", error=type(error).__name__)
            self.poke()
            return
        finally:
            self._reserved.subtract(way for _, way in due)
        for row in rows:
            self._start(Parcel(**row))

    async def run_once(self) -> int:
        """Lease what is due and fits, and start sending it. Returns how many were started."""
        busy = self._busy()
        free = min(IN_FLIGHT_MAX - busy.total(), _LEASED_AT_ONCE_MAX)
        if free <= 0:
            self._held_back = True
            return 0
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(
                QUERIES["lease"], self.clock.now(), free, list(busy), list(busy.values()), PER_CHANNEL_MAX
            )
            for row in rows:
                self._start(Parcel(**row))
        self._held_back = any(sends >= PER_CHANNEL_MAX for sends in self._busy().values())
        return len(rows)

    async def send_due(self) -> int:
        """For a loop: as `run_once`, and nought unless there was more than could be leased at once."""
        started = await self.run_once()
        self._lease_soon()
        return started if started == _LEASED_AT_ONCE_MAX else 0

    async def settled(self) -> None:
        """Return when nothing is being sent or recorded."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Stop sending; what is under way is sent again when its lease ends."""
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._sends, *([self._leasing] if self._leasing else [])]

    def _start(self, parcel: Parcel) -> None:
        task = asyncio.create_task(self._send(parcel), name=f"send-{parcel.delivery_id}")
        self._sends[task] = parcel.way
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sends[task]
        if self._held_back:
            self.poke()

    async def _send(self, parcel: Parcel) -> None:
        started_at, until = self.clock.now(), asyncio.get_running_loop().time() + _SEND_AND_RECORD_S
        outcome = await self._attempt(parcel, started_at)
        finished_at = self.clock.now()
        if outcome is not GONE and outcome is not TOO_LATE:  # nobody was sent anything, so nobody refused it
            self.metrics.attempted(parcel.kind, outcome.verdict, hub_id=parcel.hub_id)
        try:
            async with asyncio.timeout_at(until):
                await self._record_until_stored(parcel, outcome, started_at, finished_at)
        except Exception as error:  # noqa: BLE001 - unrecorded, it is sent again: said here, and survived by the hub
            _log.error("delivery_not_recorded", delivery_id=parcel.delivery_id, error=type(error).__name__)

    async def _record_until_stored(self, parcel: Parcel, outcome: Outcome, started_at: datetime, at: datetime) -> None:
        while True:
            try:
                return await self._record(parcel, outcome, started_at, at)
            except Exception as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(_RECORD_RETRY_S)

    async def _attempt(self, parcel: Parcel, now: datetime) -> Outcome:
        if not parcel.usable:
            return GONE
        if parcel.expires_at is not None and parcel.expires_at <= now:
            return TOO_LATE
        try:
            return await self.channels[parcel.kind].send(parcel, now)
        except Exception:  # noqa: BLE001 - a bug in a channel must not lose what it was to send
            _log.exception("channel_failed", delivery_id=parcel.delivery_id, channel=parcel.kind)
            return transient("a fault of ours")

    async def _record(self, parcel: Parcel, outcome: Outcome, started_at: datetime, finished_at: datetime) -> None:
        async with borrow(self.pool) as connection:
            async with connection.transaction():
                if outcome.verdict in {"delivered", "permanent"}:
                    act = await self._finished(connection, parcel, outcome, finished_at)
                else:
                    next_at = retry_at(parcel.kind, parcel.priority, outcome.verdict, parcel.attempts, started_at)
                    act = await self._unfinished(connection, parcel, outcome, max(next_at, finished_at))
            act()

    async def _finished(self, connection: Connection, parcel: Parcel, outcome: Outcome, now: datetime) -> AfterCommit:
        delivered = outcome.verdict == "delivered"
        # The alarm first: see `alarm_locked`. What came of an e-mail or a text says nothing of a hub.
        alarm = None
        if parcel.kind in HUB_KINDS and parcel.alarm_id is not None:
            alarm = await store.alarm_locked(connection, parcel.alarm_id)
        finished = await connection.fetchrow(
            QUERIES["finish"],
            parcel.delivery_id,
            parcel.lease_token,
            "delivered" if delivered else "failed",
            now,
            outcome.detail,
            outcome is TOO_LATE,
        )
        if finished is None:
            return nothing  # the lease was another's by now, or the hub has said `received`
        act = nothing
        if alarm is not None:
            act = await self._told(connection, alarm, finished["transition_id"], finished["told_at"], delivered, now)

        def after_commit() -> None:
            act()
            self._say(parcel, outcome, now)

        return after_commit

    async def _told(
        self,
        connection: Connection,
        alarm: Alarm,
        transition_id: int,
        told_at: datetime,
        delivered: bool,
        now: datetime,
    ) -> AfterCommit:
        """What a hub's answer means for its alarm: it has it, or nobody will and the next step is due at once."""
        if delivered:
            return await self.alarms.delivered(connection, alarm, Delivered(told_at), transition_id, now)
        if not await connection.fetchval(QUERIES["refused_everywhere"], alarm.alarm_id, transition_id):
            return nothing
        _, act = await self.alarms.apply(connection, alarm, RefusedForGood(), now)
        return act

    async def _unfinished(
        self, connection: Connection, parcel: Parcel, outcome: Outcome, next_at: datetime
    ) -> AfterCommit:
        recorded = await connection.fetchval(
            QUERIES["try_again"], parcel.delivery_id, parcel.lease_token, next_at, outcome.detail, outcome.reference
        )
        if recorded is None:
            return nothing

        def after_commit() -> None:
            self._say(parcel, outcome, next_at)
            if next_at <= self.clock.now():  # the time-out took all the time there was
                self.poke()

        return after_commit

    def _say(self, parcel: Parcel, outcome: Outcome, at: datetime) -> None:
        if parcel.type in {None, "hub.probe"}:
            if outcome.verdict != "delivered":
                failed = "receipt_failed" if parcel.kind == "receipt" else "probe_failed"
                _log.debug(failed, alarm_id=parcel.alarm_id, hub_id=parcel.hub_id, reason=outcome.detail)
            return
        said: dict[str, Any] = {
            **({"alarm_id": parcel.alarm_id} if parcel.alarm_id else {}),  # news of an outage is of none
            "notification_id": parcel.notification_id,
            "type": parcel.type,
            "hub_id": parcel.hub_id,
            **({"responder_id": str(parcel.responder_id)} if parcel.responder_id else {}),
            "channel": parcel.kind,
            "attempt": parcel.attempts,
        }
        match outcome.verdict:
            case "delivered":
                waited_s = self.metrics.arrived(parcel.kind, parcel.received_at, at, hub_id=parcel.hub_id)
                _log.info(
                    "alarm_delivered" if parcel.alarm_id else "outage_delivered",
                    **said,
                    after_ms=None if waited_s is None else round(waited_s * 1000, 1),
                )
            case "awaiting":
                _log.debug("delivery_awaits_word", **said)
            case "transient":
                _log.warning("delivery_failed", **said, reason=outcome.detail, next_at=at.isoformat())
            case "permanent":
                _log.error("delivery_refused", **said, reason=outcome.detail)
