"""Those of an outage who do not return, as one alarm for each council: a person has it, with the list, as any other alarm."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Final, Literal

import structlog

from contracts.alarm_event import OF_NO_HOME, AlarmEvent
from contracts.ids import CouncilId, DeviceId, EventId
from services.alerts.intake import STREAM
from services.alerts.outages.singles import KINDS
from services.alerts.outages.sql import QUERIES
from services.alerts.outages.store import Outage
from services.alerts.outages.words import affected_homes
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection

_log = structlog.get_logger(__name__)

_NAMESPACE: Final = uuid.UUID("a3f0a5c2-0d1c-4e0c-8d7e-5a4f0c1e9b42")  # any constant of our own
OF_OUTAGE: Final = "outage-"
"""The `device_id` of these alarms, before the outage's own."""
_PERIPHERAL_LENGTH_MAX: Final = 32  # the contract's


async def call(connection: Connection, outage: Outage, now: datetime, *, over: bool = False) -> int:
    """Call people for those who are left, or say that it is `over`. Returns how many alarms it raises, again if they are open.

    In the caller's transaction, with which the outage keeps that they were called.
    """
    rows = await connection.fetch(QUERIES["calls"], outage.outage_id, now, over)
    events = [_event(outage, row["council_id"], row["homes"], row["unasked"], now) for row in rows]
    entries = [LogEntry(STREAM, each.device_id, int(each.urgency), each.to_json()) for each in events]
    await append(connection, entries, now)
    raised = [row["homes"] for row in rows if row["homes"]]
    if raised:
        _log.warning("outage_called", outage_id=str(outage.outage_id), councils=len(raised), homes=sum(raised))
    return len(raised)


def _event(outage: Outage, council: str, homes: int, unasked: int, now: datetime) -> AlarmEvent:
    """Of the outage as if it were a device, and of the council as if it were its peripheral: so each has its own, and its end.

    Of the same kind as what it stands for, and of its priority with that. Called again while a person has it, it waits for one anew
    (`domain/events.py`).
    """
    turn: Literal["activated", "restored"] = "activated" if homes else "restored"
    event_id = str(uuid.uuid5(_NAMESPACE, f"{outage.outage_id}:{council}:{turn}:{now.isoformat()}"))
    said = (
        f"{affected_homes(outage.condition, homes)} still, {unasked:,} not asked after"
        if homes
        else "closed, or all back here"
    )
    return AlarmEvent(
        event_id=EventId(event_id),
        device_id=DeviceId(f"{OF_OUTAGE}{outage.outage_id}"),
        council_id=CouncilId(council) if council else None,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=now,
        kind=KINDS[outage.condition],
        status=turn,
        peripheral_id=_as_peripheral(council),
        location=None,
        text=f"Outage {outage.trait.value[:32]}: {said}",
        test=False,
        marks=(OF_NO_HOME,),
        payload_sha256=hashlib.sha256(event_id.encode()).hexdigest(),
    )


def _as_peripheral(council: str) -> str | None:
    """As long as a peripheral's name may be.

    Two whose names begin alike are two still: the one would join the other's alarm, and its hubs hear nothing.
    """
    if len(council) <= _PERIPHERAL_LENGTH_MAX:
        return council or None
    mark = hashlib.sha256(council.encode()).hexdigest()[:8]
    return f"{council[: _PERIPHERAL_LENGTH_MAX - 9]}-{mark}"
