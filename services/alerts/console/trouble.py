"""What is wrong with more than one home, in one line: that nobody hears the devices, and outages of the asker's councils."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.alerts.console.sql import QUERIES
from services.alerts.http.asker import Scope
from services.alerts.outages.words import affected_homes, named
from services.chassis.postgres import Connection


@dataclass(frozen=True, slots=True)
class Trouble:
    """As people were told of it, so that the line changes no more often than they are. `widest`: the outage with most members."""

    blind_since: datetime | None
    outages: int
    widest: str | None

    def __bool__(self) -> bool:
        return self.blind_since is not None or self.outages > 0


async def read_trouble(connection: Connection, scope: Scope) -> Trouble:
    blind_since = await connection.fetchval(QUERIES["blind_since"])
    rows = await connection.fetch(QUERIES["told_outages"], scope.hub, scope.councils)
    widest = None
    if rows:
        first = rows[0]
        names = {} if first["council"] is None else {first["told_value"]: first["council"]}
        homes = affected_homes(first["condition"], first["told_members"])
        widest = f"{named(first['told_attribute'], first['told_value'], names)}, {homes}"
    return Trouble(blind_since, len(rows), widest)
