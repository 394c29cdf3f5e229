"""What people do to an alarm, over HTTP or MQTT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.ids import HubId
from services.alerts import store
from services.alerts.alarms import Alarms
from services.alerts.domain.decision import Decision, Refusal, RefusalReason
from services.alerts.domain.triggers import Acknowledge, Close, Release
from services.alerts.store import QUERIES
from services.chassis.event_log import AfterCommit
from services.chassis.postgres import Connection


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The hub was not told of this alarm, and it is not of its councils."""


class NotWrittenYet(TimeoutError):
    """Hubs were told of this alarm while the database was away, or just before it crashed, and it is about to be written.

    So the same again, in a moment. Passes as a database that is away passes: 503 over HTTP, and an action over MQTT waits.
    """


@dataclass(frozen=True, slots=True)
class People:
    """Acts for an operator inside the caller's transaction."""

    alarms: Alarms

    async def act(
        self,
        connection: Connection,
        alarm_id: str,
        what: Acknowledge | Release | Close,
        hub: HubId | None,
        now: datetime,
    ) -> tuple[Decision | Refusal | Forbidden, AfterCommit | None]:
        """Do it for an operator of `hub` (None: ops). Raises NotWrittenYet."""
        alarm = await store.alarm_locked(connection, alarm_id)
        if alarm is None:
            if await self.alarms.is_awaited(connection, str(store.as_uuid(alarm_id))):
                raise NotWrittenYet
            alarm = await store.alarm_locked(connection, alarm_id)
        if alarm is None:
            return Refusal(RefusalReason.UNKNOWN_ALARM), None
        if hub is not None and not await connection.fetchval(QUERIES["concerns_hub"], alarm.alarm_id, hub):
            return Forbidden(), None
        return await self.alarms.apply(connection, alarm, replace(what, hub=hub), now)
