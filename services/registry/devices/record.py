"""What every change of a device is made of: its lock, its line of history and, where ingest must know, its event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Queries
from services.registry.devices.values import Asked, NewDevice
from services.registry.domain.device import Device, differing
from services.registry.domain.lifecycle import Stage

QUERIES = Queries.beside(__file__)

_URGENCY = 5  # nobody waits for it
PROOF_BEGINS = "proof-begins-anew"
"""A line of history: it is called another unit, or another model, while it is being tried."""


async def lock(connection: Connection, device_id: str) -> Device | None:
    """The device, which nobody else changes in this transaction."""
    row = await connection.fetchrow(QUERIES["lock_device"], device_id)
    return None if row is None else Device(**row)


async def reread(connection: Connection, device_id: str) -> Device:
    """The device as this transaction left it."""
    row = await connection.fetchrow(QUERIES["device"], device_id)
    if row is None:
        raise RuntimeError("a device just written is not there")
    return Device(**row)


async def insert(connection: Connection, new: NewDevice, stage: Stage, asked: Asked) -> Device | None:
    """Put it on the register; None when its id, its serial or its SIM is there already."""
    fields = new.fields()
    row = await connection.fetchrow(QUERIES["insert_device"], *fields.values(), stage, asked.now)
    if row is None:
        return None
    await record(connection, new.device_id, asked, stage, after=fields)
    await append(connection, [registered(new.device_id, new.council_id)], asked.now)
    return Device(**row)


async def change(
    connection: Connection, device: Device, wanted: Mapping[str, Any], asked: Asked, *, named: str = "patched"
) -> Device:
    """Change what is not as wanted of a device that is locked; nothing is no change. `named` in its history."""
    changed = differing(device, wanted)
    if not changed:
        return device
    becomes = replace(device, **{name: wanted[name] for name in changed}, changed_at=asked.now)
    fields = [getattr(becomes, name) for name in NewDevice.__slots__]
    await connection.execute(QUERIES["change_device"], *fields, asked.now)
    before = {name: getattr(device, name) for name in changed}
    after = {name: getattr(becomes, name) for name in changed}
    await record(connection, device.device_id, asked, named, before=before, after=after)
    return becomes


async def record(
    connection: Connection,
    device_id: str,
    asked: Asked,
    named: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """A line of the device's history: who, when, why."""
    await connection.execute(
        QUERIES["record_change"], device_id, asked.now, asked.actor, named, asked.reason, before, after
    )


def proof_since(now: datetime) -> dict[str, str]:
    """For that line: what was seen before is evidence no more."""
    return {"proof_since": now.isoformat()}


def registered(device_id: str, council_id: str) -> LogEntry:
    """In the transaction of the fact: ingest makes the row by which it notices silence. (Of changes a trigger tells it.)"""
    body = json.dumps({"device_id": device_id, "council_id": council_id, "change": "registered"})
    return LogEntry("devices", device_id, _URGENCY, body)
