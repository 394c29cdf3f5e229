"""Devices in the database. Every change is one transaction with its line of history and, where ingest must know, its event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from contracts.access import Principal
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.devices.sign_off import SignOff, on_trust
from services.registry.devices.values import (
    Change,
    Differs,
    Filter,
    NewDevice,
    Registered,
    SerialTaken,
    UnknownCouncil,
)
from services.registry.domain.device import Device, differing
from services.registry.domain.lifecycle import Move, Moved, Refused, decide

_QUERIES = Queries.beside(__file__)

_URGENCY = 5  # nobody waits for it


class DeviceStore:
    def __init__(self, pool: Pool, sign_off: SignOff = on_trust) -> None:
        self._pool = pool
        self._sign_off = sign_off

    async def register(
        self, new: NewDevice, *, actor: str, now: datetime
    ) -> Registered | Differs | SerialTaken | UnknownCouncil:
        """Register a device; the same again changes nothing."""
        fields = {name: getattr(new, name) for name in NewDevice.__slots__}
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                row = await connection.fetchrow(_QUERIES["insert_device"], *fields.values(), now)
                if row is not None:
                    await _record(connection, new.device_id, now, actor, "registered", after=fields)
                    await _tell_ingest(connection, new.device_id, new.council_id, "registered", now)
                    return Registered(Device(**row), created=True)
                row = await connection.fetchrow(_QUERIES["device"], new.device_id)
        except asyncpg.ForeignKeyViolationError:
            return UnknownCouncil()
        if row is None:
            return SerialTaken()
        device = Device(**row)
        fields_other = differing(device, fields)
        return Differs(fields_other) if fields_other else Registered(device, created=False)

    async def get(self, device_id: str) -> Device | None:
        async with borrow(self._pool) as connection:
            row = await connection.fetchrow(_QUERIES["device"], device_id)
        return None if row is None else Device(**row)

    async def history(self, device_id: str) -> list[Change]:
        """The last 200 changes, newest first."""
        async with borrow(self._pool) as connection:
            return [Change(**row) for row in await connection.fetch(_QUERIES["history"], device_id)]

    async def page(self, after_at: datetime | None, after_id: str | None, limit: int, filter_: Filter) -> list[Device]:
        """The devices registered before that one, newest first."""
        councils = None if filter_.councils is None else list(filter_.councils)
        sought = (councils, filter_.council, filter_.stage, filter_.q)
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["devices_page"], after_at, after_id, *sought, limit)
        return [Device(**row) for row in rows]

    async def patch(
        self, device_id: str, changes: Mapping[str, Any], *, actor: str, now: datetime
    ) -> Device | SerialTaken | UnknownCouncil | None:
        """Change the named fields; None when there is no such device. What is as wanted already is no change."""
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                return await _patch(connection, device_id, changes, actor, now)
        except asyncpg.UniqueViolationError:
            return SerialTaken()
        except asyncpg.ForeignKeyViolationError:
            return UnknownCouncil()

    async def move(
        self, device_id: str, move: Move, who: Principal, *, reason: str | None, now: datetime
    ) -> Device | Refused | None:
        """Move the device to another stage, if that is legal; None when there is no such device."""
        async with borrow(self._pool) as connection, connection.transaction():
            row = await connection.fetchrow(_QUERIES["lock_device"], device_id)
            if row is None:
                return None
            device = Device(**row)
            verdict = decide(device.stage, move, role=who.role, reason=reason)
            if isinstance(verdict, Refused):
                return verdict
            if not isinstance(verdict, Moved):
                return device
            await connection.execute(_QUERIES["move_device"], device_id, verdict.stage, now)
            before, after = {"stage": device.stage}, {"stage": verdict.stage}
            await _record(
                connection, device_id, now, who.name, verdict.stage, reason=reason, before=before, after=after
            )
            return Device(**await _row(connection, device_id))

    async def councils_of_hub(self, hub_id: str) -> frozenset[str]:
        """The councils whose alarms go to this hub."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["councils_of_hub"], hub_id)
        return frozenset(row["council_id"] for row in rows)


async def _patch(
    connection: Connection, device_id: str, changes: Mapping[str, Any], actor: str, now: datetime
) -> Device | None:
    row = await connection.fetchrow(_QUERIES["lock_device"], device_id)
    if row is None:
        return None
    device = Device(**row)
    changed = differing(device, changes)
    if not changed:
        return device
    wanted = replace(device, **{name: changes[name] for name in changed}, changed_at=now)
    await connection.execute(
        _QUERIES["change_device"],
        device_id,
        wanted.council_id,
        wanted.serial,
        wanted.model,
        wanted.postcode_district,
        wanted.sim_operator,
        wanted.installation_ref,
        wanted.sole_trigger,
        now,
    )
    before = {name: getattr(device, name) for name in changed}
    after = {name: getattr(wanted, name) for name in changed}
    await _record(connection, device_id, now, actor, "patched", before=before, after=after)
    if wanted.council_id != device.council_id:
        await _tell_ingest(connection, device_id, wanted.council_id, "moved", now)
    return wanted


async def _row(connection: Connection, device_id: str) -> asyncpg.Record:
    row = await connection.fetchrow(_QUERIES["device"], device_id)
    if row is None:
        raise RuntimeError("a device just written is not there")
    return row


async def _record(
    connection: Connection,
    device_id: str,
    now: datetime,
    actor: str,
    change: str,
    *,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    await connection.execute(_QUERIES["record_change"], device_id, now, actor, change, reason, before, after)


async def _tell_ingest(connection: Connection, device_id: str, council_id: str, change: str, now: datetime) -> None:
    # In the transaction of the fact: ingest makes the row by which it notices silence, or moves it to another council.
    body = json.dumps({"device_id": device_id, "council_id": council_id, "change": change})
    await append(connection, [LogEntry("devices", device_id, _URGENCY, body)], now)
