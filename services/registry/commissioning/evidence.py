"""From what ingest, alerts and the register know of a device to its checklist, in three looks by index."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.chassis.postgres import Connection, Queries
from services.registry.domain.checklist import Beat, Checklist, Demands, Event, Evidence, Trigger, checklist, not_begun
from services.registry.domain.commissioning import OFTEN_S, often_until

if TYPE_CHECKING:
    from asyncpg import Record

QUERIES: Final = Queries.beside(__file__)


async def checklist_of(
    connection: Connection, device_id: str, now: datetime, *, identity_kept: bool = False
) -> Checklist:
    """As of `now`, by what is committed. Of a device whose commissioning never began, or has ended, an open list.

    `identity_kept`: the broker's register is kept by us, so that a device has to have a credential of its own.
    """
    session = await connection.fetchrow(QUERIES["session"], device_id)
    if session is None:
        return not_begun(now)
    beats = await connection.fetch(QUERIES["beats"], device_id, session["began_at"], now)
    events = await connection.fetch(QUERIES["events"], device_id, session["began_at"])
    return checklist(_evidence(session, beats, events, now, identity_kept=identity_kept), now)


def _evidence(
    session: Record, beats: list[Record], events: list[Record], now: datetime, *, identity_kept: bool
) -> Evidence:
    told_at: datetime | None = session["told_at"]
    is_told = told_at is not None and session["ended_at"] is None and now < often_until(session["asked_at"])
    return Evidence(
        began_at=session["began_at"],
        demands=Demands(
            heartbeat_interval_s=session["heartbeat_interval_s"],
            signal_dbm_min=session["signal_dbm_min"],
            paths=tuple(session["paths"]),
            triggers=tuple(Trigger(each["kind"], each.get("peripheral_id")) for each in session["triggers"]),
        ),
        beats=[Beat(**row) for row in beats],
        events=[Event(**row) for row in events],
        heard_at=session["last_heard_at"],
        asked_interval_s=OFTEN_S if is_told else None,
        credential=session["credential"] if identity_kept else None,
    )


HEARD_WITHIN: Final = timedelta(days=7)
