"""Who is looking at an alarm: said by each open page every few seconds, forgotten 15 s after the last word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from services.alerts.console.sql import QUERIES
from services.chassis.pages import Session
from services.chassis.postgres import Connection

EXPIRES_AFTER: Final = timedelta(seconds=15)


async def look(connection: Connection, alarm_id: str, session: Session, now: datetime) -> list[str]:
    """This operator looks at it now; returns who else does. The others are told of a newcomer at once."""
    await connection.execute(QUERIES["look"], alarm_id, session.session_id, session.operator, now, now - EXPIRES_AFTER)
    return (await lookers(connection, [alarm_id], session, now)).get(alarm_id, [])


async def leave(connection: Connection, alarm_id: str, session: Session) -> None:
    """This operator has turned to something else."""
    await connection.execute(QUERIES["leave"], alarm_id, session.session_id)


async def lookers(
    connection: Connection, alarm_ids: Iterable[str], session: Session, now: datetime
) -> Mapping[str, list[str]]:
    """Who else looks at each, by name."""
    rows = await connection.fetch(QUERIES["lookers"], list(alarm_ids), session.operator, now - EXPIRES_AFTER)
    return {str(row["alarm_id"]): row["operators"] for row in rows}
