"""One shard in one process: contend for its lease, connect its session, work it, and let go of it in time.

The rules, each of which has cost somebody messages:
- No lease, no connect. The database is asked again right before a connection is made and right after: this process may have
  been stopped in between, and a connect takes the session from whoever has it.
- The lease is renewed only while the session is up *and* the work progresses.
- Lease lost, or session taken over (0x8E): close and stand back. Never reconnect first.
- Filters that were changed are followed in the session as it stands (`filters.py`).
- Any other disconnect: reconnect under the lease as it stands; once that has lapsed, others may try, who may have a better path.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Never

import structlog

from services.chassis.mqtt import (
    Backoff,
    Disconnected,
    DisconnectReason,
    Filter,
    MqttError,
    MqttUrl,
    Session,
    SessionOptions,
)
from services.chassis.postgres import Pool, is_transient
from services.chassis.shard.filters import Follower, first_asked
from services.chassis.shard.gaps import Gaps
from services.chassis.shard.lease import LEASE_S, Lease
from services.chassis.shard.progress import Progress

_log = structlog.get_logger(__name__)

Work = Callable[[Session, Progress], Awaitable[None]]
"""Takes messages out of the session, stores them and acknowledges them, until the session ends it with Disconnected."""

RENEW_EVERY_S = 1.0
CONTEND_EVERY_S = 0.5
STALLED_S = 15.0
"""With something to store and nothing stored for so long, another process may do better."""
_BEHIND_FROM = 0.8
"""So much of the receive-maximum is un-acknowledged at once only while the broker holds more: we are behind."""
_UNSTORED_S = 2.0  # what was taken and is stored by then was heard in time
_CONNECT_TIMEOUT_S = 3.0
_KEEP_ALIVE_S = 4  # a broker that has vanished is noticed after one and a half of these
_FINISH_S = 1.0  # for what came at QoS 0 on a connection that is gone, and comes never again
_NO_DATABASE = "cannot be claimed: the database is away"
_NOBODY = "nobody_worked_it"  # whoever did was stopped, cut off or killed
_STAND_BACK_S = 2 * CONTEND_EVERY_S  # every other contender asks at least once meanwhile


class End(StrEnum):
    """Why this process stopped working a session."""

    DISCONNECTED = "disconnected"
    TAKEN_OVER = "taken_over"
    LEASE_LOST = "lease_lost"
    LEASE_LAPSED = "lease_lapsed"  # the database could not be asked in time
    STALLED = "stalled"
    FAILED = "failed"  # the work raised what no disconnect is


def live_filter(pattern: str) -> Filter:
    """A subscription whose retain flag says "this is old": retained messages come once, with a new session only."""
    return Filter(pattern, retain_as_published=False, retain_handling=1)


@dataclass(frozen=True, slots=True)
class Lane:
    """How shards of one lane are worked. `receive_max`: messages that may be un-acknowledged at once."""

    work: Work
    receive_max: int
    filter_of: Callable[[str], Filter] = live_filter


@dataclass(slots=True)
class ShardRunner:
    """Run `run()` as a task."""

    pool: Pool
    mqtt_url: MqttUrl
    name: str
    client_id: str
    lane: Lane
    holder: str
    gaps: Gaps
    _trouble: str = field(default="is being connected", init=False)
    _working: bool = field(default=False, init=False)
    _others_seen_at: float = field(default=-LEASE_S, init=False)  # monotonic
    _contending_fails: bool = field(default=False, init=False)
    _deaf_because: str = field(default=_NOBODY, init=False)  # what may have kept it from hearing since it last did

    @property
    def working(self) -> bool:
        """Whether the session is up, in this process, under its lease."""
        return self._working

    @property
    def trouble(self) -> str | None:
        """Why nobody is known to work the shard, in a sentence; None while this process does, or sees that another does."""
        if self._working or time.monotonic() - self._others_seen_at < LEASE_S:
            return None
        return f"Shard {self.name} {self._trouble}."

    async def run(self) -> Never:
        """For ever. Cancelled, it closes the session and releases the lease, so that a successor starts at once."""
        while True:
            lease = await self._contend()
            self._others_seen_at = -LEASE_S
            end: End | None = None
            try:
                end = await self._hold(lease)
            finally:
                # Whoever takes a session without having the lease gains nothing by it: ours goes on after a pause.
                if end is not End.TAKEN_OVER:
                    await self._let_go(lease)
            _log.warning("shard_given_up", shard=self.name, reason=end)
            await asyncio.sleep(_STAND_BACK_S * random.uniform(1, 2))  # noqa: S311 - jitter

    async def _contend(self) -> Lease:
        while True:
            try:
                lease = await Lease.acquire(self.pool, self.name, self.holder)
                if lease is None:
                    await self.gaps.handed_over()
                    self._others_seen_at = time.monotonic()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._cannot_contend(error)
            else:
                self._contending_fails = False
                if lease is not None:
                    _log.info("shard_acquired", shard=self.name, generation=lease.generation)
                    return lease
            await asyncio.sleep(CONTEND_EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def _cannot_contend(self, error: Exception) -> None:
        self._trouble = _NO_DATABASE
        if not self._contending_fails:
            _log.warning("shard_waiting_for_database", shard=self.name, reason=f"{type(error).__name__}: {error}")
        self._contending_fails = True

    async def _hold(self, lease: Lease) -> End:
        """Connect and work, and again, until somebody else had better try."""
        backoff = Backoff(first_s=0.1, max_s=1.0)
        while True:
            try:
                session = await self._connect(lease)
            except MqttError as error:
                await self._disconnected(lease, error)
            except Exception as error:
                if not is_transient(error):
                    raise
                self._trouble = _NO_DATABASE
            else:
                if session is None:
                    return End.LEASE_LOST
                backoff.reset()
                end = await self._use(session, lease)
                if end is not End.DISCONNECTED:
                    return end
            pause_s = backoff.next_s()
            if lease.remaining_s <= pause_s:
                return End.LEASE_LAPSED
            await asyncio.sleep(pause_s)

    async def _connect(self, lease: Lease) -> Session | None:
        """A session that is ours by the database's word, before and after; None if it is not."""
        if not await lease.holds():
            return None
        asked = first_asked(lease)
        options = SessionOptions(
            client_id=self.client_id,
            filters=tuple(map(self.lane.filter_of, sorted(asked))),
            receive_max=self.lane.receive_max,
            keep_alive_s=_KEEP_ALIVE_S,
            connect_timeout_s=max(0.1, min(_CONNECT_TIMEOUT_S, lease.remaining_s)),
        )
        session = await Session.connect(self.mqtt_url, options)
        try:
            session_at = lease.session_at
            mine = await lease.renew()
            if mine and not session.session_present and asked != lease.subscribed:
                mine = await lease.says_subscribed(asked)  # a session that was just made has these, and no others
            if mine:
                await self.gaps.ended(session_present=session.session_present, session_at=session_at)
                return session
        except BaseException:
            session.abort()
            raise
        await session.close()
        return None

    async def _use(self, session: Session, lease: Lease) -> End:
        """Work the session until it, the lease or the work ends."""
        _log.info("shard_connected", shard=self.name, session_present=session.session_present)
        self._working = True
        progress = Progress()
        work = asyncio.create_task(self._work(session, progress), name=f"{self.name}-work")
        keep = asyncio.create_task(self._keep(session, lease, progress), name=f"{self.name}-lease")
        follower = Follower(session, lease, self.lane.filter_of)
        follow = asyncio.create_task(follower.run(), name=f"{self.name}-filters")
        try:
            await asyncio.wait({work, keep, follow}, return_when=asyncio.FIRST_COMPLETED)
            ended = next(each for each in (keep, work, follow) if each.done())
            end = ended.result()  # of `follow` an error alone
        finally:
            self._working = False
            self._trouble = "is being reconnected"
            await _cancel(work, keep, follow)
            await session.close()
        if end is End.LEASE_LAPSED:
            self._trouble = _NO_DATABASE
        if end is End.DISCONNECTED and session.reason is not None:
            return await self._after(session.reason, lease)
        return end

    async def _work(self, session: Session, progress: Progress) -> End:
        work = asyncio.ensure_future(self.lane.work(session, progress))
        gone = asyncio.ensure_future(session.disconnected.wait())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=_FINISH_S)
            if work.done():
                work.result()
        except Disconnected:
            pass
        except Exception:  # noqa: BLE001 - a bug in one process's work is no reason to end the process: the next may do better
            _log.exception("shard_work_failed", shard=self.name)
            return End.FAILED
        finally:
            await _cancel(work, gone)
        return End.DISCONNECTED

    async def _keep(self, session: Session, lease: Lease, progress: Progress) -> End:
        """Renew the lease for as long as that is right, and say with it whether all was heard."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            if progress.stalled_s > STALLED_S:
                return End.STALLED
            most = session.most_outstanding()
            behind = most >= self.lane.receive_max * _BEHIND_FROM or progress.stalled_s > _UNSTORED_S
            if behind:
                self._deaf_because = "backlog"
            try:
                heard = not behind and lease.subscribed is not None
                if not await lease.renew(heard=heard, deaf_because=self._deaf_because):
                    return End.LEASE_LOST
                if not behind:
                    self._deaf_because = _NOBODY
            except Exception as error:
                if not is_transient(error):
                    raise
                self._deaf_because = "database_away"
                if lease.remaining_s < RENEW_EVERY_S:
                    return End.LEASE_LAPSED

    async def _after(self, reason: Disconnected, lease: Lease) -> End:
        if reason.reason is DisconnectReason.SESSION_TAKEN_OVER:
            return End.TAKEN_OVER
        await self._disconnected(lease, reason)
        return End.DISCONNECTED

    async def _disconnected(self, lease: Lease, error: MqttError) -> None:
        """A possible gap, unless the shard is another's by now (not every broker says so when it is taken over)."""
        self._trouble = f"has no session at the broker: {error}"
        reason = error.reason if isinstance(error, Disconnected) else "unreachable"
        self._deaf_because = "broker_away"
        _log.warning("shard_disconnected", shard=self.name, reason=str(error))
        if lease.session_at is None:
            return
        try:
            if not await lease.holds():
                return
        except Exception as away:
            if not is_transient(away):
                raise
        await self.gaps.began(str(reason))

    async def _let_go(self, lease: Lease) -> None:
        try:
            await lease.release()
        except Exception as error:
            if not is_transient(error):
                raise


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
