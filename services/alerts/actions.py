"""Hub actions over MQTT: decide, store the answer, commit, PUBACK, publish the answer; the same action again, the same answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

import asyncpg
import structlog

from contracts.action import Acknowledge, ActionResult, Close, HubAction, Received, Release, read_action
from contracts.ids import HubId
from contracts.topics import hub_topic, parse_hub_topic
from services.alerts import store
from services.alerts.alarms import Alarms, nothing
from services.alerts.domain import triggers
from services.alerts.domain.decision import Decision, Refusal, RefusalReason
from services.alerts.metrics import Metrics
from services.alerts.people import Forbidden, NotWrittenYet, People
from services.alerts.store import QUERIES
from services.chassis.audit import AuditLog, Entry
from services.chassis.audit.entry import is_id
from services.chassis.clock import Clock
from services.chassis.event_log import AfterCommit
from services.chassis.mqtt import Message, Publisher, PublishFailed, Session
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.chassis.shard import Progress

_log = structlog.get_logger(__name__)

LANE: Final = "action"
RECEIVE_MAX: Final = 256
_BATCH_MAX: Final = 64
_RETRY_S: Final = 0.5
_FAULT: Final = "could not be processed; it has been logged here. Use the HTTP API, or call."


@dataclass(frozen=True, slots=True)
class HubActions:
    """The work of the shard `hub-actions`."""

    pool: Pool
    clock: Clock
    alarms: Alarms
    metrics: Metrics
    publisher: Publisher
    audit: AuditLog | None = None

    async def work(self, session: Session, progress: Progress) -> None:
        """Until the session ends it."""
        while True:
            messages = await session.batch(_BATCH_MAX)
            progress.taken(len(messages))
            answers: list[tuple[HubId, ActionResult]] = []
            for message in messages:
                answers += await self._answered(message)
                session.puback([message])
                progress.stored(1)
            await self._publish(answers)

    async def _answered(self, message: Message) -> Sequence[tuple[HubId, ActionResult]]:
        """The answer, once it is stored; tries until it is. Nobody answers a topic that names no hub."""
        topic = parse_hub_topic(message.topic)
        if topic is None or topic.hub_id is None:
            _log.warning("hub_action_of_no_hub")
            return ()
        while True:
            try:
                return [(topic.hub_id, await self.answer(topic.hub_id, bytes(message.payload)))]
            except Exception as error:  # noqa: BLE001 - one action that we cannot handle must not hold up all others
                if not is_transient(error):
                    _log.error("hub_action_failed", hub_id=topic.hub_id, error=type(error).__name__)
                    return [(topic.hub_id, _unprocessed(bytes(message.payload)))]
            await asyncio.sleep(_RETRY_S)

    async def answer(self, hub: HubId, payload: bytes) -> ActionResult:
        """Do what the payload asks, in one transaction with its answer. `invalid` asks for another payload and is not kept."""
        action = read_action(payload)
        if isinstance(action, ActionResult):
            return action
        try:
            return await self._answer(hub, action)
        except asyncpg.UniqueViolationError:
            # Answered meanwhile, by whoever had the session before and does not know that it is ours: the same answer.
            return await self._answer(hub, action)

    async def _answer(self, hub: HubId, action: HubAction) -> ActionResult:
        now, id_ = self.clock.now(), action.action_id
        digest = hashlib.sha256(action.model_dump_json().encode()).digest()
        async with borrow(self.pool) as connection:
            async with connection.transaction():
                before = await connection.fetchrow(QUERIES["hub_action"], hub, id_, digest)
                if before is not None:
                    return ActionResult(action_id=id_, result=before["result"], detail=before["detail"])
                result, alarm_id, after_commit = await self._do(connection, hub, action, now)
                await connection.execute(
                    QUERIES["keep_hub_action"], hub, id_, digest, result.result, result.detail, now
                )
            after_commit()
        if not isinstance(action, Received):
            self._audit(hub, action, alarm_id, result)
        return result

    def _audit(
        self, hub: HubId, action: Acknowledge | Release | Close, alarm_id: str | None, result: ActionResult
    ) -> None:
        """As soon as it can be: no acknowledgement waits for it, and the alarm's own history has it already."""
        if self.audit is not None:
            entry = Entry(
                via="mqtt",
                who=hub,
                operator=action.operator,
                role="hub",
                hub_id=hub,
                action=f"mqtt {action.action}",
                subject_kind="alarm",
                subject=alarm_id if alarm_id and is_id(alarm_id) else "(no id)",
                outcome="done" if result.result == "accepted" else "refused",
                detail={"result": result.result},
            )
            self.audit.later(replace(entry, request_id=action.action_id) if is_id(action.action_id) else entry)

    async def _do(
        self, connection: Connection, hub: HubId, action: HubAction, now: datetime
    ) -> tuple[ActionResult, str | None, AfterCommit]:
        """The answer, the alarm as far as it is known, and what to do after the commit. Raises NotWrittenYet."""
        alarm_id = await self._alarm_id(connection, hub, action)
        if isinstance(alarm_id, ActionResult):
            return alarm_id, action.alarm_id, nothing
        if isinstance(action, Received):
            return await self._received(connection, hub, action, alarm_id, now)
        if alarm_id is None:
            return _unknown(action, "this notification is of no alarm"), None, nothing
        outcome, after_commit = await People(self.alarms).act(connection, alarm_id, _trigger(action), hub, now)
        return _result(action.action_id, outcome), alarm_id, after_commit or nothing

    async def _alarm_id(self, connection: Connection, hub: HubId, action: HubAction) -> str | ActionResult | None:
        """Of which alarm it speaks: what it says, or what the hub's own notification is of (None: none); or why not."""
        if action.notification_id is None:
            return action.alarm_id
        told = await connection.fetchrow(QUERIES["notification_told"], action.notification_id, hub)
        if told is None and not isinstance(action, Received):
            if await self.alarms.is_awaited(connection, action.notification_id):
                raise NotWrittenYet
            told = await connection.fetchrow(QUERIES["notification_told"], action.notification_id, hub)
        if told is None:
            return _unknown(action, "no notification has this notification_id")
        if not told["told"]:
            detail = "this notification was not sent to your hub"
            return ActionResult(action_id=action.action_id, result="forbidden", detail=detail)
        alarm_id: str | None = told["alarm_id"]
        if action.alarm_id is not None and (
            alarm_id is None or store.as_uuid(action.alarm_id) != store.as_uuid(alarm_id)
        ):
            detail = "alarm_id is not the alarm of this notification_id"
            return ActionResult(action_id=action.action_id, result="invalid", detail=detail)
        return alarm_id

    async def _received(
        self, connection: Connection, hub: HubId, action: Received, alarm_id: str | None, now: datetime
    ) -> tuple[ActionResult, str | None, AfterCommit]:
        """The hub has this notification, or the newest of the alarm that it was sent and has not confirmed: that is delivery."""
        alarm = await store.alarm_locked(connection, alarm_id) if alarm_id else None
        notification_id = action.notification_id
        if notification_id is None:
            if alarm is None:
                return _result(action.action_id, Refusal(RefusalReason.UNKNOWN_ALARM)), alarm_id, nothing
            notification_id = await connection.fetchval(QUERIES["newest_told"], alarm.alarm_id, hub)
            if notification_id is None:
                detail = "your hub was not told of this alarm"
                return ActionResult(action_id=action.action_id, result="forbidden", detail=detail), alarm_id, nothing
        confirmed = await connection.fetchrow(QUERIES["confirm"], notification_id, hub, now)
        accepted = ActionResult(action_id=action.action_id, result="accepted")
        if alarm is None or confirmed is None:
            return accepted, alarm_id, nothing  # said before, or it came by webhook; or it was a probe
        delivered = triggers.Delivered(confirmed["told_at"])
        act = await self.alarms.delivered(connection, alarm, delivered, confirmed["transition_id"], now)

        def after_commit() -> None:
            act()
            self.metrics.attempted("mqtt", "delivered", hub_id=hub)
            waited_s = self.metrics.arrived("mqtt", confirmed["received_at"], now, hub_id=hub)
            _log.info(
                "alarm_delivered",
                alarm_id=alarm.alarm_id,
                notification_id=notification_id,
                type=confirmed["type"],
                hub_id=hub,
                channel="mqtt",
                after_ms=None if waited_s is None else round(waited_s * 1000, 1),
            )

        return accepted, alarm_id, after_commit

    async def _publish(self, answers: Sequence[tuple[HubId, ActionResult]]) -> None:
        """An answer that does not arrive is asked for again, by the same action."""
        await asyncio.gather(*(self._publish_one(hub, result) for hub, result in answers))

    async def _publish_one(self, hub: HubId, result: ActionResult) -> None:
        try:
            await self.publisher.publish(hub_topic(hub, "action-results"), result.model_dump_json().encode(), qos=1)
        except PublishFailed as error:
            _log.warning("action_result_not_published", hub_id=hub, reason=type(error).__name__)


def _trigger(action: Acknowledge | Release | Close) -> triggers.Acknowledge | triggers.Release | triggers.Close:
    match action:
        case Acknowledge():
            return triggers.Acknowledge(action.operator)
        case Release():
            return triggers.Release(action.operator)
        case Close():
            return triggers.Close(action.operator, action.outcome, action.note)
        case _:
            assert_never(action)


def _result(action_id: str, outcome: Decision | Refusal | Forbidden) -> ActionResult:
    match outcome:
        case Decision():
            return ActionResult(action_id=action_id, result="accepted")
        case Forbidden():
            return ActionResult(
                action_id=action_id,
                result="forbidden",
                detail="your hub was not told of this alarm, nor is its council yours",
            )
        case Refusal():
            return _refused(action_id, outcome)
        case _:
            assert_never(outcome)


def _refused(action_id: str, refusal: Refusal) -> ActionResult:
    match refusal.reason:
        case RefusalReason.ALREADY_ACKNOWLEDGED:
            detail = f"by {refusal.acknowledged_by}"
            return ActionResult(action_id=action_id, result="already_acknowledged", detail=detail)
        case RefusalReason.ALREADY_CLOSED:
            return ActionResult(action_id=action_id, result="already_closed")
        case RefusalReason.UNKNOWN_ALARM:
            return ActionResult(action_id=action_id, result="unknown_alarm", detail="no alarm has this alarm_id")
        case RefusalReason.NOT_DUE:
            raise AssertionError("only a time-out can come too early")
        case _:
            assert_never(refusal.reason)


def _unknown(action: HubAction, detail: str) -> ActionResult:
    return ActionResult(action_id=action.action_id, result="unknown_alarm", detail=detail)


def _unprocessed(payload: bytes) -> ActionResult:
    action = read_action(payload)
    return ActionResult(action_id=action.action_id, result="invalid", detail=_FAULT)
