"""A device's way through its stages, in the database. Every move is one transaction with its line of history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from contracts.access import Principal
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.registry.devices import record
from services.registry.devices.record import QUERIES
from services.registry.devices.sign_off import SignOff
from services.registry.devices.values import Asked, Differs, NewDevice, Taken
from services.registry.domain.device import Device, differing
from services.registry.domain.going_live import Word, decide_go_live, is_asked
from services.registry.domain.lifecycle import Move, Moved, Refused, Unchanged, decide
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


_NotDone: TypeAlias = NotReplaced | NotThere | OutOfReach | Differs | Taken


class _Refused(Exception):
    """Ends the transaction, and leaves nothing of it."""

    def __init__(self, answer: _NotDone) -> None:
        super().__init__()
        self.answer = answer


class DeviceLife:
    def __init__(self, pool: Pool, sign_off: SignOff) -> None:
        self._pool = pool
        self._sign_off = sign_off

    async def move(
        self,
        device_id: str,
        move: Move,
        who: Principal,
        *,
        reason: str | None,
        now: datetime,
        until: datetime | None = None,
    ) -> Device | Refused | None:
        """Move the device to another stage, if that is legal; None when there is no such device.

        `until`: of a suspension, the end that is expected; told anew of a suspended one, it is that.
        """
        asked = Asked(who.name, now, reason)
        async with borrow(self._pool) as connection, connection.transaction():
            device = await record.lock(connection, device_id)
            if device is None:
                return None
            verdict = decide(device.stage, move, role=who.role)
            if isinstance(verdict, Refused):
                return verdict
            if isinstance(verdict, Unchanged) and until in {None, device.suspended_until}:
                return device
            stage = verdict.stage if isinstance(verdict, Moved) else device.stage
            await connection.execute(QUERIES["move_device"], device_id, stage, now, until)
            after = {"stage": stage} | ({"suspended_until": until.isoformat()} if until else {})
            await record.record(connection, device_id, asked, stage, before={"stage": device.stage}, after=after)
            return await record.reread(connection, device_id)

    async def go_live(
        self, device_id: str, who: Principal, *, override: bool, reason: str | None, now: datetime
    ) -> Device | Refused | None:
        """Put it live when its checklist is complete, or on the word of whoever asks. None when there is no such device."""
        async with borrow(self._pool) as connection, connection.transaction():
            device = await record.lock(connection, device_id)
            if device is None:
                return None
            missing = await self._missing(connection, device, now)
            word = Word(who.role, override=override, reason=reason)
            verdict = decide_go_live(device.stage, word, missing, overridden=device.overridden_at is not None)
            if isinstance(verdict, Refused):
                return verdict
            if isinstance(verdict, Unchanged):
                return device
            return await _put_live(connection, device, verdict, Asked(who.name, now, reason))

    async def _missing(self, connection: Connection, device: Device, now: datetime) -> tuple[str, ...] | None:
        if not is_asked(device.stage, overridden=device.overridden_at is not None):
            return None
        checklist = await self._sign_off(connection, device.device_id, now)
        return None if checklist.complete else tuple(checklist.missing)

    async def replace(
        self, device_id: str, successor: Successor, asked: Asked, reaches: Reaches
    ) -> Pair | NotReplaced | NotThere | OutOfReach | Differs | Taken:
        """Withdraw a device, and let another take its place in the home; all of it or nothing. The same again changes nothing."""
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                answer = await _replace(connection, device_id, successor, asked, reaches)
                if not isinstance(answer, Pair):
                    raise _Refused(
                        answer
                    )  # so that a successor that was put on the register for this is not there either
                return answer
        except _Refused as refused:
            return refused.answer
        except (
            asyncpg.UniqueViolationError
        ):  # whoever took another's place, or was put on the register, at this same moment
            return Taken("device_id")


async def _put_live(connection: Connection, device: Device, verdict: Moved, asked: Asked) -> Device:
    after: dict[str, Any] = {"stage": "live"}
    word: tuple[str | None, str | None, list[str] | None] = (None, None, None)
    if verdict.overridden is not None:
        word = (asked.actor, asked.reason, list(verdict.overridden))
        after["overridden"] = list(verdict.overridden)
    await connection.execute(QUERIES["put_live"], device.device_id, asked.now, *word)
    await record.record(connection, device.device_id, asked, "live", before={"stage": device.stage}, after=after)
    return await record.reread(connection, device.device_id)


async def _replace(
    connection: Connection, device_id: str, successor: Successor, asked: Asked, reaches: Reaches
) -> Pair | _NotDone:
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
