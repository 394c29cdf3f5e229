"""The one place where a decision is taken and stored, whoever asked for it: a device, the clock, a hub, a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.ids import HubId
from contracts.policy import DEFAULT_POLICY, Policy
from contracts.vocabulary import KINDS
from services.alerts import store
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decide import decide
from services.alerts.domain.decision import Circumstances, Decision, Refusal
from services.alerts.domain.events import alarm_id_of
from services.alerts.domain.notification import notification_id_of
from services.alerts.domain.routing import Told, who_is_told
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
    send: Callable[[Sequence[store.Due]], None]  # these deliveries are due, and perhaps others
    awaited: Callable[[str], bool]  # whether hubs may know of this alarm, or notification, that is not written yet
    _policies: dict[int, Policy] = field(default_factory=dict, init=False)  # a version never changes

    async def is_awaited(self, connection: Connection, id_: str) -> bool:
        """Whether hubs may know of this alarm, or notification, though it is not in the database: not yet, or not any more.

        A crash of the database may take back what followed from an event, which it keeps: it follows again, with the same ids.
        Whoever is told that it is not awaited looks once more: it may have been written meanwhile.
        """
        if self.awaited(id_):
            return True
        undecided = await store.undecided(connection)
        return any(id_ in {alarm_id_of(each), notification_id_of(each)} for each in undecided)

    async def apply(
        self, connection: Connection, alarm: Alarm | None, trigger: Trigger, now: datetime
    ) -> tuple[Decision | Refusal, AfterCommit]:
        """Decide about `alarm`, which the caller has locked (None: a new one). A refusal writes nothing."""
        around = await self._around(connection, alarm, trigger, now)
        circumstances = Circumstances(around.policy_id, self._policy(around), around.silences, around.held_back)
        decision = decide(alarm, trigger, now, circumstances)
        if isinstance(decision, Refusal):
            return decision, nothing
        if alarm is not None and decision.alarm != alarm:
            await store.update(connection, decision.alarm)
        if decision.event is None:
            return decision, nothing
        told = who_is_told(decision, around.reach, circumstances.policy, now)
        event = trigger.event if isinstance(trigger, EventArrived) else None
        due, others_due = await self._write(connection, alarm, decision, event, event or around.latest_event, told, now)

        def after_commit() -> None:
            self.send(due)
            if others_due:
                self.send(())
            self._measure(alarm, decision)
            # A line of the log costs as much as a round trip: the deliveries are on their way meanwhile.
            asyncio.get_running_loop().call_soon(_say, decision, event, told, now)

        return decision, after_commit

    async def delivered(
        self, connection: Connection, alarm: Alarm, trigger: Trigger, transition_id: int, now: datetime
    ) -> AfterCommit:
        """Apply what a delivery by `transition_id` means for its alarm."""
        policy = self._policies.get(alarm.policy_id) or self._policy(
            await self._around(connection, alarm, trigger, now)
        )
        decision = decide(alarm, trigger, now, Circumstances(alarm.policy_id, policy))
        if isinstance(decision, Refusal):
            return nothing
        if decision.alarm != alarm:
            await store.update(connection, decision.alarm)
        owed = await store.write_receipts(connection, decision, transition_id, now)
        return (lambda: self.send(())) if owed else nothing

    async def _around(
        self, connection: Connection, alarm: Alarm | None, trigger: Trigger, now: datetime
    ) -> store.Surroundings:
        if alarm is not None:
            about = (alarm.alarm_id, alarm.council_id, alarm.device_id, alarm.policy_id)
            return await store.surroundings(connection, *about, self._policies, self.fallback_hub, now)
        if not isinstance(trigger, EventArrived):
            raise TypeError("only an event makes an alarm")
        event, device = trigger.event, trigger.device
        council_id = device.council_id if device else event.council_id
        begins = (alarm_id_of(event.event_id), council_id, event.device_id, None)
        return await store.surroundings(connection, *begins, self._policies, self.fallback_hub, now)

    def _policy(self, around: store.Surroundings) -> Policy:
        known = self._policies.get(around.policy_id)
        if known is not None:
            return known
        try:
            policy = Policy.model_validate_json(around.policy or "")
        except ValueError as error:
            # The registry checks what it stores. An alarm must not wait for whoever found a way around that.
            _log.critical("policy_unreadable", policy_id=around.policy_id, error=type(error).__name__)
            policy = DEFAULT_POLICY
        self._policies[around.policy_id] = policy
        return policy

    async def _write(
        self,
        connection: Connection,
        before: Alarm | None,
        decision: Decision,
        event: AlarmEvent | None,
        shown: AlarmEvent | None,
        told: Told,
        now: datetime,
    ) -> tuple[Sequence[store.Due], bool]:
        """The transition and everything that is to be sent because of it.

        Returns the deliveries that are due, and whether others are: receipts, and what was unsent and is now made haste with.
        """
        alarm_id = decision.alarm.alarm_id
        unsent = await store.hasten_unsent(connection, alarm_id, now) if decision.reuse_unsent else frozenset[str]()
        written = await store.write_transition(
            connection, decision, event, shown, told, unsent, now, new=before is None
        )
        receipts = await store.write_receipts(connection, decision, written.transition_id, now)
        return written.due, bool(receipts or unsent)

    def _measure(self, before: Alarm | None, decision: Decision) -> None:
        if decision.event == "acknowledged" and before is not None:
            waited_s = (decision.alarm.changed_at - before.opened_at).total_seconds()
            self.metrics.acknowledge_seconds.labels(str(int(before.priority))).observe(max(waited_s, 0))


def _say(decision: Decision, event: AlarmEvent | None, told: Told, now: datetime) -> None:
    alarm = decision.alarm
    say = _log.info if told.hubs or not decision.tells else _log.warning
    say(
        f"alarm_{decision.event}",
        alarm_id=alarm.alarm_id,
        device_id=alarm.device_id,
        priority=int(alarm.priority),
        kind=alarm.kind if alarm.kind in KINDS else "unknown",  # any other text is a stranger's
        reason=str(decision.reason),
        state=alarm.state,
        step=alarm.step,
        hubs=[hub.hub_id for hub in told.hubs],
        **({"responders": len(told.responders)} if told.responders else {}),
        **({"event_id": event.event_id, "after_ms": _ms(now, event.received_at)} if event else {}),
        **({"operator": decision.actor} if decision.actor else {}),
    )


def _ms(later: datetime, earlier: datetime) -> float:
    return round((later - earlier).total_seconds() * 1000, 1)
