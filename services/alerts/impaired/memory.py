"""What is remembered for when the database is away: every verified way to a hub, and how far the devices had been heard.

Each process tells for itself, and mostly the same: what it tells follows from what the database said last, to whoever asked.

What is told from memory has the ids and the body that the database will give it: alarm and notification follow from the event, and
the event from the blindness. So a hub knows it again when it is told the ordinary way, and can acknowledge it then; who does so
before is asked to try again, and not told that there is no such alarm.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.ids import HubId, NotificationId
from contracts.notification import Notification
from contracts.vocabulary import Priority
from services.alerts.channels import Channel, Parcel
from services.alerts.domain.blindness import TOLD_AFTER, Blindness, Ear, blindness_event
from services.alerts.domain.decide import decide
from services.alerts.domain.decision import Decision
from services.alerts.domain.delivery import DeliveryKind
from services.alerts.domain.notification import notification
from services.alerts.domain.triggers import EventArrived

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

AGAIN_AFTER_S: Final = 60.0
"""A hub that has not taken it is told again."""
WRITTEN_WITHIN_S: Final = 10.0
"""Of the database's return: what was told from memory is an alarm by then, or never will be (another process told of another)."""


@dataclass(slots=True)
class Memory:
    """`ears`, `contacts` and `open` as the database last had them. `has_told`: what hubs know and the database does not yet."""

    ways: Mapping[DeliveryKind, Channel]
    monotonic: Callable[[], float] = time.monotonic
    ears: Sequence[Ear] = ()
    contacts: Sequence[Record] = ()
    mark: str = ""
    """Blindness told of last, last lapse, who worked which shard: the same for all, and another when there was another."""
    open: AlarmEvent | None = None
    """What told of the blindness that lasts. Hubs are told of that again, not of a second whose ids no database ever learns."""
    has_told: AlarmEvent | None = None
    blindness: Blindness | None = None  # of which that is
    _away_since: float | None = field(default=None, init=False)  # monotonic
    _tried_at: float | None = field(default=None, init=False)
    _taken: set[HubId] = field(default_factory=set, init=False)
    _away_at: datetime | None = field(default=None, init=False)
    _told: frozenset[str] = field(
        default=frozenset(), init=False
    )  # the alarm that was told of last, and its notification
    _written_by: float = field(default=math.inf, init=False)  # monotonic: by then that is in the database

    def database_there(self) -> None:
        """It answered."""
        if self._away_since is not None:
            _log.info("database_there_again", after_s=round(self.monotonic() - self._away_since, 1))
            self._written_by = self.monotonic() + WRITTEN_WITHIN_S
        self._away_since = self._tried_at = self._away_at = None
        self._taken.clear()

    def awaits(self, id_: str) -> bool:
        """Whether hubs may know of this alarm, or notification, before the database does: not unknown, but on its way."""
        return id_ in self._told and self.monotonic() < self._written_by

    async def database_away(self, now: datetime) -> None:
        """It did not answer. After a while hubs are told, and told again until each has taken it by one of its ways."""
        at = self.monotonic()
        if self._away_since is None:
            self._away_since, self._away_at = at, now
        if at - self._away_since < TOLD_AFTER.total_seconds():
            return
        if self._tried_at is not None and at - self._tried_at < AGAIN_AFTER_S:
            return
        self._tried_at = at
        await self._tell(now)

    async def _tell(self, now: datetime) -> None:
        if self.open is not None:
            event = self.open
        elif self.has_told is not None:
            event = self.has_told
        else:
            until = min((ear.heard_until for ear in self.ears), default=self._away_at or now)
            names = [ear.shard for ear in self.ears] or ["database"]
            self.blindness = Blindness.remembered(names, until, self.mark)
            event = self.has_told = blindness_event(self.blindness, "activated", self.blindness.remembered_told_at)
            _log.critical("monitoring_blind_told_from_memory", hubs=len({each["hub_id"] for each in self.contacts}))
        told = _notification(event)
        self._told, self._written_by = frozenset((told.data.alarm_id, told.id)), math.inf
        left = [each for each in self.contacts if each["hub_id"] not in self._taken]
        await asyncio.gather(*(self._send(each, told, now) for each in left))

    async def _send(self, contact: Record, told: Notification, now: datetime) -> None:
        hub_id, kind = HubId(contact["hub_id"]), contact["kind"]
        try:
            outcome = await self.ways[kind].send(_parcel(contact, told), now)
        except Exception:  # noqa: BLE001 - one way that fails keeps nobody else from being told
            _log.exception("channel_failed", hub_id=hub_id, channel=kind)
            return
        if outcome.verdict == "delivered":
            self._taken.add(hub_id)
        _log.info("monitoring_blind_sent", hub_id=hub_id, channel=kind, outcome=outcome.verdict, reason=outcome.detail)


def _notification(event: AlarmEvent) -> Notification:
    """As the machine raises it."""
    decision = decide(None, EventArrived(event, None), event.received_at)
    if not isinstance(decision, Decision) or decision.notification is None:
        raise AssertionError("an event that joins no alarm raises one")
    return notification(decision.notification, decision.alarm, event, event, event.received_at)


def _parcel(contact: Record, told: Notification) -> Parcel:
    ways: dict[str, Any] = {
        name: contact[name]
        for name in ("channel", "kind", "url", "secret_encrypted", "previous_secret_encrypted", "address_encrypted")
    }
    return Parcel(
        **ways,
        delivery_id=0,
        alarm_id=None,
        hub_id=HubId(contact["hub_id"]),
        responder_id=None,
        topic=None,
        priority=Priority.LIFE,
        attempts=1,
        lease_token=uuid4(),
        body=told.model_dump_json(),
        notification_id=NotificationId(told.id),
        type=told.type,
        reference=None,
        expires_at=None,
        usable=True,
        received_at=None,
    )
