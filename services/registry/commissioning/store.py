"""Commissioning in the database."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow
from services.registry.commissioning.evidence import HEARD_WITHIN, QUERIES, checklist_of
from services.registry.domain.checklist import Checklist
from services.registry.domain.commissioning import COMMAND_LIVES


@dataclass(frozen=True, slots=True)
class HeardDevice:
    """A device that is heard and on no register. `council_id` is its topic's; `kinds`: heartbeat, or the alarms that came."""

    device_id: str
    council_id: str | None
    last_heard_at: datetime
    signal_dbm: int | None
    mains: bool | None
    kinds: list[str]


@dataclass(frozen=True, slots=True)
class CommissioningStore:
    pool: Pool
    identity_kept: bool

    async def checklist(self, device_id: str, now: datetime) -> Checklist:
        """As go-live judges it, in one look at the database: see `checklist_of`."""
        async with borrow(self.pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await checklist_of(connection, device_id, now, identity_kept=self.identity_kept)

    async def ask_again(self, device_id: str, now: datetime) -> bool:
        """Have the device report now, and often for another while. False when it is not being commissioned."""
        async with borrow(self.pool) as connection, connection.transaction():
            if await connection.fetchval(QUERIES["ask_again"], device_id, now) is None:
                return False
            await connection.execute(QUERIES["supersede"], device_id, "report_now")
            await connection.execute(
                QUERIES["command"], uuid.uuid4(), device_id, "report_now", {}, now, now + COMMAND_LIVES
            )
            return True

    async def heard(self, councils: Collection[str] | None, now: datetime, limit: int) -> list[HeardDevice]:
        """Heard within the last week and registered by nobody, newest first, in these councils (None: all)."""
        within = None if councils is None else list(councils)
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["heard_unregistered"], now - HEARD_WITHIN, within, limit)
        return [HeardDevice(**row) for row in rows]
