"""Leases due deliveries, sends them side by side, and only then records what came of them.

A crash between sending and recording sends again under the same id: a hub called twice beats one never called.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from services.alerts import store
from services.alerts.alarms import Alarms, nothing
from services.alerts.channels import Channel, Parcel
from services.alerts.domain.delivery import DeliveryKind, Outcome, permanent, retry_at, transient
from services.alerts.domain.triggers import Delivered, RefusedForGood
from services.alerts.metrics import Metrics
from services.alerts.store import QUERIES
from services.chassis.clock import Clock
from services.chassis.event_log import AfterCommit
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
IN_FLIGHT_MAX: Final = 256
PER_CHANNEL_MAX: Final = 8
"""A channel that hangs holds so many sends and no more; 32 channels would have to hang before another one waits."""
_LEASED_AT_ONCE_MAX: Final = 64
_RECORD_FOR_S: Final = 3.0  # with the send's 10 s within the lease's 14 s
_RECORD_RETRY_S: Final = 0.2


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

    async def run_once(self) -> int:
        """Lease what is due and fits, and start sending it. Returns how many were started."""
        free = min(IN_FLIGHT_MAX - len(self._sends), _LEASED_AT_ONCE_MAX)
        if free <= 0:
            self._held_back = True
            return 0
        busy = Counter(self._sends.values())
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(
                QUERIES["lease"], self.clock.now(), free, list(busy), list(busy.values()), PER_CHANNEL_MAX
            )
            for row in rows:
                self._start(Parcel(**row))
        busy = Counter(self._sends.values())
        self._held_back = any(sends >= PER_CHANNEL_MAX for sends in busy.values())
        return len(rows)

    async def send_due(self) -> int:
        """For a loop: as `run_once`, and nought unless there was more than could be leased at once."""
        started = await self.run_once()
        return started if started == _LEASED_AT_ONCE_MAX else 0

    async def settled(self) -> None:
        """Return when nothing is being sent or recorded."""
        while self._sends:
            await asyncio.wait(self._sends)

    async def close(self) -> None:
        """Stop sending; what is under way is sent again when its lease ends."""
        for task in self._sends:
            task.cancel()
        await asyncio.gather(*self._sends, return_exceptions=True)

    def _start(self, parcel: Parcel) -> None:
        task = asyncio.create_task(self._send(parcel), name=f"send-{parcel.delivery_id}")
        self._sends[task] = parcel.way
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sends[task]
        if self._held_back:
            self.poke()

    async def _send(self, parcel: Parcel) -> None:
        started_at = self.clock.now()
        outcome = await self._attempt(parcel, started_at)
        finished_at = self.clock.now()
        self.metrics.deliveries.labels(parcel.kind, outcome.verdict).inc()
        try:
            async with asyncio.timeout(_RECORD_FOR_S):
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
            return permanent("the channel is gone or not verified")
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
        # The alarm first: see `alarm_locked`.
        alarm = None if parcel.kind == "receipt" else await store.alarm_locked(connection, parcel.alarm_id)
        transition_id = await connection.fetchval(
            QUERIES["finish"],
            parcel.delivery_id,
            parcel.lease_token,
            "delivered" if delivered else "failed",
            now,
            outcome.detail,
        )
        if transition_id is None:
            return nothing  # the lease was another's by now, or the hub has said `received`
        if alarm is None:
            return lambda: self._say(parcel, outcome, now)
        if delivered:
            act = await self.alarms.delivered(connection, alarm, Delivered(), transition_id, now)
        elif await connection.fetchval(QUERIES["refused_everywhere"], parcel.alarm_id, transition_id):
            ladder, _ = await self.alarms.route_of(connection, alarm)
            trigger = RefusedForGood(others_left=ladder.others_left(alarm.step))
            act = await self.alarms.delivered(connection, alarm, trigger, transition_id, now)
        else:
            act = nothing

        def after_commit() -> None:
            act()
            self._say(parcel, outcome, now)

        return after_commit

    async def _unfinished(
        self, connection: Connection, parcel: Parcel, outcome: Outcome, next_at: datetime
    ) -> AfterCommit:
        recorded = await connection.fetchval(
            QUERIES["try_again"], parcel.delivery_id, parcel.lease_token, next_at, outcome.detail
        )
        if recorded is None:
            return nothing

        def after_commit() -> None:
            self._say(parcel, outcome, next_at)
            if next_at <= self.clock.now():  # the time-out took all the time there was
                self.poke()

        return after_commit

    def _say(self, parcel: Parcel, outcome: Outcome, at: datetime) -> None:
        if parcel.kind == "receipt":
            if outcome.verdict != "delivered":
                _log.debug("receipt_failed", alarm_id=parcel.alarm_id, reason=outcome.detail)
            return
        said: dict[str, Any] = {
            "alarm_id": parcel.alarm_id,
            "notification_id": parcel.notification_id,
            "type": parcel.type,
            "hub_id": parcel.hub_id,
            "channel": parcel.kind,
            "attempt": parcel.attempts,
        }
        match outcome.verdict:
            case "delivered":
                waited_s = observe_delivery(self.metrics, parcel.kind, parcel.received_at, at)
                _log.info("alarm_delivered", **said, after_ms=None if waited_s is None else round(waited_s * 1000, 1))
            case "awaiting":
                _log.debug("delivery_awaits_hub", **said)
            case "transient":
                _log.warning("delivery_failed", **said, reason=outcome.detail, next_at=at.isoformat())
            case "permanent":
                _log.error("delivery_refused", **said, reason=outcome.detail)


def observe_delivery(metrics: Metrics, kind: str, received_at: datetime | None, at: datetime) -> float | None:
    """Measure received → delivered, in seconds; None for news that no event caused."""
    if received_at is None:
        return None
    waited_s = max((at - received_at).total_seconds(), 0)
    metrics.delivery_seconds.labels(kind).observe(waited_s)
    return waited_s
