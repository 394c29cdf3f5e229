"""Changes of what is known of a device, in the database; with what they do to the proof that it works."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from contracts.access import Principal
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.registry.devices import record
from services.registry.devices.record import QUERIES
from services.registry.devices.sign_off import SignOff
from services.registry.devices.values import Asked, Taken, UnknownCouncil
from services.registry.domain.device import Device
from services.registry.domain.proof import ANOTHER_MODEL, BeginsAnew, NotChanged, OnWord, fate_of_proof

Patched: TypeAlias = Device | NotChanged | Taken | UnknownCouncil | None


class Patches:
    def __init__(self, pool: Pool, sign_off: SignOff) -> None:
        self._pool = pool
        self._sign_off = sign_off

    async def patch(self, device_id: str, changes: Mapping[str, Any], who: Principal, now: datetime) -> Patched:
        """Change the named fields; None when there is no such device. What is as wanted already is no change."""
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                device = await record.lock(connection, device_id)
                if device is None:
                    return None
                fate = fate_of_proof(device, changes, who.role)
                if isinstance(fate, NotChanged):
                    return fate
                asked = Asked(who.name, now)
                changed = await record.change(connection, device, changes, asked)
                if isinstance(fate, BeginsAnew):
                    await record.record(
                        connection, device_id, asked, record.PROOF_BEGINS, after=record.proof_since(now)
                    )
                if isinstance(fate, OnWord):
                    await self._doubt(connection, device_id, asked)
                    return await record.reread(connection, device_id)
                return changed
        except asyncpg.UniqueViolationError as error:
            return Taken("iccid" if error.constraint_name == "device_iccid" else "serial")
        except asyncpg.ForeignKeyViolationError:
            return UnknownCouncil()

    async def _doubt(self, connection: Connection, device_id: str, asked: Asked) -> None:
        """It was proved as another model: what this one demands is missing, and the list of such devices says so."""
        missing = list((await self._sign_off(connection, device_id, asked.now)).missing)
        await connection.execute(QUERIES["put_on_word"], device_id, asked.now, asked.actor, ANOTHER_MODEL, missing)
        why = Asked(asked.actor, asked.now, ANOTHER_MODEL)
        await record.record(connection, device_id, why, "overridden", after={"overridden": missing})
