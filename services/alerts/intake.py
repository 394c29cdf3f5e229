"""Events from the log → alarms. What cannot be handled becomes an alarm itself."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from contracts.alarm_event import AlarmEvent
from contracts.ids import DeviceId, EventId
from contracts.vocabulary import UNPROCESSABLE
from services.alerts import store
from services.alerts.alarms import Alarms
from services.alerts.domain.triggers import EventArrived
from services.chassis.event_log import AfterCommit, LogRow
from services.chassis.postgres import Connection

STREAM: Final = "alarms"

_NAMESPACE: Final = uuid.UUID("0b8f1a0e-3f3b-4f62-8d6b-5a8a3f1f5a11")  # any constant of our own


@dataclass(frozen=True, slots=True)
class Intake:
    """The handlers of the stream `alarms`."""

    alarms: Alarms

    async def handle(self, connection: Connection, row: LogRow, now: datetime) -> AfterCommit | None:
        """One event. ValueError when the row holds none."""
        return await self._arrived(connection, AlarmEvent.from_json(row.body), None, now)

    async def handle_poison(self, connection: Connection, row: LogRow, now: datetime) -> AfterCommit | None:
        """A row that failed again and again: a priority 1 alarm of kind `unprocessable` of its device."""
        event = unprocessable(row)
        return await self._arrived(connection, event, f"event log row {row.event_log_id} could not be processed", now)

    async def rehearse(self, connection: Connection, now: datetime) -> None:
        """All that an alarm of life does to the database, up to what its hubs are told. The caller undoes it."""
        no_row = -secrets.randbits(62)  # real ones are positive; and no two rehearsals wait for one another
        await self.handle_poison(connection, LogRow(no_row, f"rehearsal{no_row}", 1, "", now, 0), now)

    async def _arrived(
        self, connection: Connection, event: AlarmEvent, detail: str | None, now: datetime
    ) -> AfterCommit | None:
        known = await store.facts(connection, event, now)
        if known.handled:
            return None
        trigger = EventArrived(event, known.device, detail, known.tests, known.wavered)
        _, after_commit = await self.alarms.apply(connection, known.joins, trigger, now)
        return after_commit


def unprocessable(row: LogRow) -> AlarmEvent:
    """What can be told of the row without using what may be its poison: whose it is and, if it can be read, its identity."""
    stand_in = AlarmEvent(
        event_id=EventId(str(uuid.uuid5(_NAMESPACE, str(row.event_log_id)))),
        device_id=DeviceId(row.key),
        council_id=None,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=row.created_at,
        kind=UNPROCESSABLE,
        status="activated",
        peripheral_id=None,
        location=None,
        text=None,
        test=False,
        marks=(UNPROCESSABLE,),
        payload_sha256=hashlib.sha256(row.body.encode()).hexdigest(),
    )
    try:
        sent = AlarmEvent.from_json(row.body)
    except ValueError:
        return stand_in
    return replace(
        stand_in,
        event_id=sent.event_id,
        council_id=sent.council_id,
        topic=sent.topic,
        boot_id=sent.boot_id,
        seq=sent.seq,
        payload_sha256=sent.payload_sha256,
    )
