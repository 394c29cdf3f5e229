"""The one place where a decision is taken and stored, whoever asked for it: a device, the clock, a hub, a channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.ids import HubId
from contracts.vocabulary import KINDS
from services.alerts import store
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decide import decide
from services.alerts.domain.decision import Decision, Refusal
from services.alerts.domain.routing import Route, route
from services.alerts.domain.triggers import EventArrived, Trigger
from services.alerts.metrics import Metrics
from services.chassis.event_log import AfterCommit
from services.chassis.postgres import Connection

_log = structlog.get_logger(__name__)


def nothing() -> None:
    """There is nothing to do after the commit."""


@dataclass(slots=True)
class Alarms:
    """Decides, and writes what follows, inside the caller's transaction.

    Each method returns what to do once that is committed: say so in the log and the metrics, and send what is due.
    """

    fallback_hub: HubId | None
    metrics: Metrics
    send: Callable[[], None]  # something is due

    async def apply(
        self, connection: Connection, alarm: Alarm | None, trigger: Trigger, now: datetime
    ) -> tuple[Decision | Refusal, AfterCommit]:
        """Decide about `alarm`, which the caller has locked (None: a new one). A refusal writes nothing."""
        decision = decide(alarm, trigger, now)
        if isinstance(decision, Refusal):
            return decision, nothing
        event = trigger.event if isinstance(trigger, EventArrived) else None
        await store.save(connection, alarm, decision.alarm)
        if decision.event is None:
            return decision, nothing
        told = await self._tell(connection, decision, event, now)

        def after_commit() -> None:
            self.send()
            self._measure(alarm, decision)
            _say(decision, event, told, now)

        return decision, after_commit

    async def delivered(
        self, connection: Connection, alarm: Alarm, trigger: Trigger, transition_id: int, now: datetime
    ) -> AfterCommit:
        """Apply what a delivery by `transition_id` means for its alarm (`Delivered`, `RefusedForGood`)."""
        decision = decide(alarm, trigger, now)
        if isinstance(decision, Refusal):
            return nothing
        await store.save(connection, alarm, decision.alarm)
        owed = await store.write_receipts(connection, decision, transition_id, now)
        return self.send if owed else nothing

    async def route_of(self, connection: Connection, alarm: Alarm) -> tuple[Route, frozenset[HubId]]:
        """The alarm's ladder as routing and channels are now, and who was told of it."""
        found = await store.reachable(connection, alarm.council_id, alarm.alarm_id)
        return route(found.recipients, self.fallback_hub), found.told

    async def _tell(
        self, connection: Connection, decision: Decision, event: AlarmEvent | None, now: datetime
    ) -> list[HubId]:
        """Write the transition and everything that is to be sent because of it."""
        alarm = decision.alarm
        ladder, told = await self.route_of(connection, alarm)
        recipients = ladder.at(alarm.step, told)
        unsent = (
            await store.hasten_unsent(connection, alarm.alarm_id, now) if decision.reuse_unsent else frozenset[str]()
        )
        parcels = [(hub, channel) for hub in recipients for channel in hub.channels if channel.channel_id not in unsent]
        transition_id = await store.write_transition(connection, decision, event, parcels, now)
        await store.write_receipts(connection, decision, transition_id, now)
        return [hub.hub_id for hub in recipients]

    def _measure(self, before: Alarm | None, decision: Decision) -> None:
        if decision.event == "acknowledged" and before is not None:
            waited_s = (decision.alarm.changed_at - before.opened_at).total_seconds()
            self.metrics.acknowledge_seconds.labels(str(int(before.priority))).observe(max(waited_s, 0))


def _say(decision: Decision, event: AlarmEvent | None, told: list[HubId], now: datetime) -> None:
    alarm = decision.alarm
    say = _log.warning if not told else _log.info
    say(
        f"alarm_{decision.event}",
        alarm_id=alarm.alarm_id,
        device_id=alarm.device_id,
        priority=int(alarm.priority),
        kind=alarm.kind if alarm.kind in KINDS else "unknown",  # any other text is a stranger's
        reason=str(decision.reason),
        state=alarm.state,
        step=alarm.step,
        hubs=told,
        **({"event_id": event.event_id, "after_ms": _ms(now, event.received_at)} if event else {}),
        **({"operator": decision.actor} if decision.actor else {}),
    )


def _ms(later: datetime, earlier: datetime) -> float:
    return round((later - earlier).total_seconds() * 1000, 1)
