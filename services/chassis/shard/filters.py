"""A shard's filters were changed: its session follows them, as it stands, within seconds.

New ones are asked for before old ones are given up, so nothing is lost between. The session counts as subscribed to what the broker
has granted: from no sooner than that on, and until no later than we ask to have it no more.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Never

import structlog

from services.chassis.mqtt import Disconnected, Filter, Session, SubscriptionRefused
from services.chassis.postgres import is_transient
from services.chassis.shard.lease import Lease

_log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0
_REFUSED_AGAIN_S = 30.0
"""Whoever was refused a filter asks for it again."""


def first_asked(lease: Lease) -> frozenset[str]:
    """What a connection asks for: what was granted before and is wanted still.

    One that is new, and is refused, must keep nobody else from being heard: it is asked for by `follow`.
    """
    return lease.filters & (lease.subscribed or frozenset()) or lease.filters


@dataclass(slots=True)
class Follower:
    """Of one session, for as long as that is up. `run()` as a task; cancel it."""

    session: Session
    lease: Lease
    filter_of: Callable[[str], Filter]
    _refused: dict[str, float] = field(default_factory=dict, init=False)  # until when; monotonic

    async def run(self) -> Never:
        """For ever. That the session or the lease is gone others notice."""
        while True:
            try:
                if self.lease.subscribed != self.lease.filters:
                    await self._follow()
            except Disconnected:
                pass
            except Exception as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _follow(self) -> None:
        wanted, has = self.lease.filters, self.lease.subscribed or frozenset()
        granted = await self._granted(wanted - has)
        if granted and not await self.lease.says_subscribed(has | granted):
            return
        gone, left = has - wanted, wanted - has - granted
        if gone and not left and await self.lease.says_subscribed(wanted):
            await self.session.unsubscribe(sorted(gone))
            _log.info("shard_unsubscribed", shard=self.lease.shard, filters=sorted(gone))

    async def _granted(self, new: Iterable[str]) -> frozenset[str]:
        now_s = time.monotonic()
        asked = sorted(each for each in new if self._refused.get(each, now_s) <= now_s)
        if not asked:
            return frozenset()
        refusals = await self.session.subscribe([self.filter_of(each) for each in asked])
        self._note(refusals, now_s + _REFUSED_AGAIN_S)
        granted = frozenset(asked) - {each.pattern for each in refusals}
        _log.info("shard_subscribed", shard=self.lease.shard, filters=sorted(granted))
        return granted

    def _note(self, refusals: Sequence[SubscriptionRefused], until_s: float) -> None:
        for refusal in refusals:
            self._refused[refusal.pattern] = until_s
            _log.error("shard_filter_refused", shard=self.lease.shard, filter=refusal.pattern, reason=refusal.reason)
