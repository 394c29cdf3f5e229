"""Devices in the database: registered, found, changed. Every change is one transaction with its line of history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import asyncpg

from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.registry.devices import record
from services.registry.devices.record import QUERIES
from services.registry.devices.values import (
    Asked,
    Change,
    Differs,
    Filter,
    NewDevice,
    OwnName,
    Registered,
    Taken,
    UnknownCouncil,
)
from services.registry.domain.device import Device, differing
from services.registry.domain.own_names import OwnNames


class DeviceStore:
    def __init__(self, pool: Pool, own_names: OwnNames) -> None:
        self._pool = pool
        self._own_names = own_names

    async def register(
        self,
        new: NewDevice,
        *,
        actor: str,
        now: datetime,
        said: Mapping[str, Any] | None = None,
        stage: Literal["ordered", "registered"] = "registered",
    ) -> Registered | Differs | Taken | UnknownCouncil | OwnName:
        """Register a device, or note that it is ordered. The same again changes nothing, but that an ordered one is registered.

        `said`: the fields that the caller named, in which one that is there must be the same; without it, all.
        """
        if new.device_id in self._own_names:
            return OwnName()
        asked = Asked(actor, now)
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                device = await record.insert(connection, new, stage, asked)
                if device is not None:
                    return Registered(device, created=True)
                device = await record.lock(connection, new.device_id)
                if device is None:
                    has_serial = await connection.fetchval(QUERIES["has_serial"], new.serial)
                    return Taken("serial" if has_serial else "iccid")
                fields_other = differing(device, new.fields() if said is None else said)
                if fields_other:
                    return Differs(fields_other)
                if device.stage == "ordered" and stage == "registered":
                    device = await _has_come(connection, device, asked)
                return Registered(device, created=False)
        except asyncpg.ForeignKeyViolationError:
            return UnknownCouncil()

    async def get(self, device_id: str) -> Device | None:
        async with borrow(self._pool) as connection:
            row = await connection.fetchrow(QUERIES["device"], device_id)
        return None if row is None else Device(**row)

    async def history(self, device_id: str) -> list[Change]:
        """The last 200 changes, newest first."""
        async with borrow(self._pool) as connection:
            return [Change(**row) for row in await connection.fetch(QUERIES["history"], device_id)]

    async def replaces(self, device_id: str) -> str | None:
        """Whose place this device took."""
        async with borrow(self._pool) as connection:
            replaced: str | None = await connection.fetchval(QUERIES["replaces"], device_id)
        return replaced

    async def is_on_duty(self, device_id: str) -> bool:
        """Whether it was replaced, and the broker lets it in until its successor is live."""
        async with borrow(self._pool) as connection:
            return bool(await connection.fetchval(QUERIES["is_on_duty"], device_id))

    async def page(self, after_at: datetime | None, after_id: str | None, limit: int, filter_: Filter) -> list[Device]:
        """The devices registered before that one, newest first."""
        councils = None if filter_.councils is None else list(filter_.councils)
        sought = (councils, filter_.council, filter_.stage, filter_.q, filter_.overridden)
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(QUERIES["devices_page"], after_at, after_id, *sought, limit)
        return [Device(**row) for row in rows]

    async def councils_of_hub(self, hub_id: str) -> frozenset[str]:
        """The councils whose alarms go to this hub."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(QUERIES["councils_of_hub"], hub_id)
        return frozenset(row["council_id"] for row in rows)


async def _has_come(connection: Connection, device: Device, asked: Asked) -> Device:
    await connection.execute(QUERIES["move_device"], device.device_id, "registered", asked.now, None)
    before, after = {"stage": device.stage}, {"stage": "registered"}
    await record.record(connection, device.device_id, asked, "registered", before=before, after=after)
    return await record.reread(connection, device.device_id)
