"""One device takes another's place, in the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.chassis.postgres import Connection
from services.registry.devices import record
from services.registry.devices.record import QUERIES
from services.registry.devices.values import Asked, Differs, NewDevice, OwnName, Taken
from services.registry.domain.device import Device, differing
from services.registry.domain.replacement import NotReplaced, Replaced, decide_replacement

Reaches: TypeAlias = Callable[[Device], bool]
"""Whether the caller may change this device."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A device and its successor, as they are now."""

    old: Device
    new: Device


@dataclass(frozen=True, slots=True)
class NotThere:
    """A device that is not on the register."""

    device_id: str


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """The successor is of a council whose devices the caller may not change."""


@dataclass(frozen=True, slots=True)
class Successor:
    """Which device takes the place; with serial and model it may be new on the register."""

    device_id: str
    serial: str | None = None
    model: str | None = None
    sim_operator: str | None = None
    iccid: str | None = None

    def said(self) -> dict[str, str]:
        """What was told of it."""
        return {name: value for name in Successor.__slots__ if (value := getattr(self, name)) is not None}


NotDone: TypeAlias = NotReplaced | NotThere | OutOfReach | Differs | Taken | OwnName


async def replace_device(
    connection: Connection, device_id: str, successor: Successor, asked: Asked, reaches: Reaches
) -> Pair | NotDone:
    """In the caller's transaction, of which nothing may stay when it is not done."""
    rows = await connection.fetch(QUERIES["lock_devices"], [device_id, successor.device_id])
    locked = {row["device_id"]: Device(**row) for row in rows}
    old = locked.get(device_id)
    if old is None:
        return NotThere(device_id)
    new = locked.get(successor.device_id) or await _put_on_register(connection, successor, old, asked)
    if not isinstance(new, Device):
        return new
    if not (reaches(old) and reaches(new)):
        return OutOfReach()
    if other := differing(new, successor.said()):
        return Differs(other)
    replaces = await connection.fetchval(QUERIES["replaces"], new.device_id)
    verdict = decide_replacement(old, new, new_replaces=replaces)
    if isinstance(verdict, NotReplaced):
        return verdict
    if isinstance(verdict, Replaced):
        await record.change(connection, new, verdict.taken, asked)
        await _exchange(connection, old, new, asked)
    return Pair(await record.reread(connection, old.device_id), await record.reread(connection, new.device_id))


async def _put_on_register(
    connection: Connection, successor: Successor, old: Device, asked: Asked
) -> Device | NotThere | Taken:
    """As a device of the same council, when enough was told of it."""
    if successor.serial is None or successor.model is None:
        return NotThere(successor.device_id)
    new = NewDevice(council_id=old.council_id, **successor.said())
    device = await record.insert(connection, new, "registered", asked)
    if device is not None:
        return device
    return Taken("serial" if await connection.fetchval(QUERIES["has_serial"], successor.serial) else "iccid")


async def _exchange(connection: Connection, old: Device, new: Device, asked: Asked) -> None:
    await connection.execute(QUERIES["stand_in"], new.device_id, old.device_id, asked.now)
    await connection.execute(QUERIES["replace_device"], old.device_id, new.device_id, asked.now)
    after = {"stage": "withdrawn", "replaced_by": new.device_id}
    await record.record(connection, old.device_id, asked, "withdrawn", before={"stage": old.stage}, after=after)
    await record.record(connection, new.device_id, asked, "replaces", after={"replaces": old.device_id})
