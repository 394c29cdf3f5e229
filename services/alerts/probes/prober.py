"""Probes every verified channel of a hub every five minutes, so that a dead one is found before the next alarm.

Any number of processes may: whoever locks a channel's row and moves its `look_at` on has that probe. A hub's server and its MQTT
client are sent a real notification, and it must arrive as an alarm must; for e-mail and text nobody is written to, the transport
is asked. Real deliveries count too: what arrived is alive, whatever its probe says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from contracts.vocabulary import Priority
from services.alerts.domain.delivery import DeliveryKind
from services.alerts.probes import store
from services.alerts.probes.health import PROBE_EVERY, PROBE_EXPIRES, Health, Turn, alive, begun, failed, untried
from services.alerts.probes.store import QUERIES
from services.alerts.probes.telling import tell
from services.chassis.clock import Clock
from services.chassis.event_log import AfterCommit
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 5.0
DELIVERED_KINDS: Final = ("webhook", "mqtt")
_LOOK_AGAIN: Final = timedelta(seconds=10)  # while a probe is on its way
_GRACE: Final = timedelta(seconds=15)  # for the dispatcher to say that it has expired
_ASK_TIMEOUT_S: Final = 20.0
_AT_ONCE_MAX: Final = 500


class Transport(Protocol):
    """A channel whose way out can be asked without writing to anybody."""

    async def probe(self) -> str | None:
        """None when it works, else what is wrong with it, for operators."""


@dataclass(slots=True)
class Prober:
    """Probes by delivery: `webhook` and `mqtt`."""

    pool: Pool
    clock: Clock
    send: Callable[[], None]  # a delivery is due

    async def run_once(self) -> int:
        """Look at one channel: its probe's outcome, or begin the next. Returns 1, or 0 when none is due."""
        async with borrow(self.pool) as connection:
            now = self.clock.now()  # not before: a connection may have to be waited for
            async with connection.transaction():
                kept_up = await _contained(connection, lambda: self._keep_up(connection, now))
                found = await store.due(connection, now, DELIVERED_KINDS, 1)
                looked = [await self._attempt(connection, health, now) for health in found]
            for act in (kept_up, *looked):
                if act is not None:
                    act()
        return len(found)

    async def _keep_up(self, connection: Connection, now: datetime) -> AfterCommit:
        """Watch channels that are new; those that are gone fail no longer."""
        await store.watch_new(connection, now)
        gone = await store.forget_gone(connection)
        told = [await tell(connection, "restored", health, now) for health in gone if health.is_failing]

        def after_commit() -> None:
            for act in told:
                act()

        return after_commit

    async def _attempt(self, connection: Connection, health: Health, now: datetime) -> AfterCommit | None:
        """Look at it; one that cannot be looked at, by a fault of ours, comes again later and after all others."""
        about = {"channel_id": str(health.channel_id)}
        act = await _contained(connection, lambda: self._look_at(connection, health, now), **about)
        if act is None:
            await store.save(connection, replace(health, look_at=now + _LOOK_AGAIN))
        return act

    async def _look_at(self, connection: Connection, health: Health, now: datetime) -> AfterCommit:
        arrived_at = await store.alive_at(connection, health)
        if arrived_at is not None and (health.probe_id is not None or health.failures):
            return await judged(connection, *alive(health, arrived_at, now), now)
        if health.probe_id is None:
            return await self._begin(connection, health, now)
        probe = await connection.fetchrow(QUERIES["probe"], health.probe_id)
        if probe is not None and probe["state"] == "pending" and now < probe["expires_at"] + _GRACE:
            await store.save(connection, replace(health, look_at=now + _LOOK_AGAIN))
            return _nothing
        if probe is None or not probe["tried"]:
            await store.save(connection, untried(health, now))
            return lambda: _log.warning("channel_probe_untried", hub_id=health.hub_id, channel=health.kind)
        fault = probe["last_error"] or "no answer within four minutes"
        return await judged(connection, *failed(health, fault, now), now)

    async def _begin(self, connection: Connection, health: Health, now: datetime) -> AfterCommit:
        id_ = await store.send_probe(
            connection,
            kind=health.kind,
            channel_id=health.channel_id,
            hub_id=health.hub_id,
            priority=Priority.LOG,  # after every alarm: it asks after the way, and must not be in it
            expires_at=now + PROBE_EXPIRES,
            now=now,
        )
        await store.save(connection, begun(health, id_, now + _LOOK_AGAIN, now))
        return self.send


async def _contained(
    connection: Connection, work: Callable[[], Awaitable[AfterCommit]], **about: str
) -> AfterCommit | None:
    """Do it, with a savepoint of its own. None: it failed by a fault of ours, which is undone, said and holds up nothing else."""
    try:
        async with connection.transaction():
            return await work()
    except Exception as error:
        if is_transient(error):
            raise
        _log.critical("probing_failed", **about, error=type(error).__name__)
        return None


@dataclass(slots=True)
class TransportProber:
    """Probes by asking the transport, once for all channels of a kind that are due: `email` and `sms`."""

    pool: Pool
    clock: Clock
    transports: Mapping[DeliveryKind, Transport]

    async def run_once(self) -> int:
        """Probe what is due. Returns how many channels were judged."""
        return sum([await self._probe(kind, transport) for kind, transport in self.transports.items()])

    async def _probe(self, kind: DeliveryKind, transport: Transport) -> int:
        claimed = await self._claim(kind)
        if not claimed:
            return 0
        fault = await asked(kind, transport)
        for health in claimed:
            await self._judge(health, fault)
        return len(claimed)

    async def _claim(self, kind: DeliveryKind) -> list[Health]:
        """Ours, for the claim moves them on: should we crash, the next probe comes in five minutes."""
        async with borrow(self.pool) as connection, connection.transaction():
            now = self.clock.now()
            claimed = [
                begun(health, None, now + PROBE_EVERY, now)
                for health in await store.due(connection, now, [kind], _AT_ONCE_MAX)
            ]
            for health in claimed:
                await store.save(connection, health)
        return claimed

    async def _judge(self, claimed: Health, fault: str | None) -> None:
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            async with connection.transaction():
                health = await store.locked(connection, claimed.channel_id)
                if health is None or health.probed_at != claimed.probed_at:
                    return  # gone, or probed by another meanwhile
                arrived_at = now if fault is None else await store.alive_at(connection, health)
                verdict = failed(health, fault or "", now) if arrived_at is None else alive(health, arrived_at, now)
                after_commit = await judged(connection, *verdict, now)
            after_commit()


async def judged(connection: Connection, health: Health, turn: Turn | None, now: datetime) -> AfterCommit:
    """Keep what a probe said, and tell people when that begins or ends an episode."""
    await store.save(connection, health)
    if turn is not None:
        return await tell(connection, turn, health, now)
    if health.failures:
        return lambda: _log.warning(
            "channel_probe_failed",
            hub_id=health.hub_id,
            channel=health.kind,
            failures=health.failures,
            reason=health.last_error,
        )
    return _nothing


async def asked(kind: DeliveryKind, transport: Transport) -> str | None:
    """What is wrong with it; None when it works. Nothing is raised."""
    try:
        async with asyncio.timeout(_ASK_TIMEOUT_S):
            return await transport.probe()
    except TimeoutError:
        return "no answer in time"
    except Exception:  # noqa: BLE001 - a bug in a channel is a dead channel, and must stop no other probe
        _log.exception("transport_probe_failed", channel=kind)
        return "a fault of ours"


def _nothing() -> None:
    """There is nothing to do after the commit."""
