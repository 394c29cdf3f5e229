"""A device's way through its stages, in the database. Every move is one transaction with its line of history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from contracts.access import Principal
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.registry.devices import record
from services.registry.devices.record import QUERIES
from services.registry.devices.replacing import NotDone, Pair, Reaches, Successor, replace_device
from services.registry.devices.sign_off import SignOff
from services.registry.devices.values import Asked, OwnName, Taken
from services.registry.domain.device import Device
from services.registry.domain.going_live import Word, decide_go_live, is_asked
from services.registry.domain.lifecycle import Move, Moved, Refused, Unchanged, decide
from services.registry.domain.own_names import OwnNames


class _Refused(Exception):
    """Ends the transaction, and leaves nothing of it."""

    def __init__(self, answer: NotDone) -> None:
        super().__init__()
        self.answer = answer


class DeviceLife:
    def __init__(self, pool: Pool, sign_off: SignOff, own_names: OwnNames) -> None:
        self._pool = pool
        self._sign_off = sign_off
        self._own_names = own_names

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
            verdict = decide(device.stage, move, role=who.role, reason=reason, replaced=device.replaced_by is not None)
            if isinstance(verdict, Refused):
                return verdict
            if isinstance(verdict, Unchanged) and move == "withdraw":
                return await _shut_out(connection, device, asked)
            if isinstance(verdict, Unchanged) and until in {None, device.suspended_until}:
                return device
            stage = verdict.stage if isinstance(verdict, Moved) else device.stage
            await connection.execute(QUERIES["move_device"], device_id, stage, now, until)
            after = {"stage": stage} | ({"suspended_until": until.isoformat()} if until else {})
            await record.record(connection, device_id, asked, stage, before={"stage": device.stage}, after=after)
            return await record.reread(connection, device_id)

    async def reinstate(
        self, device_id: str, who: Principal, *, reason: str | None, now: datetime
    ) -> Device | Refused | Taken | None:
        """Put a device that was withdrawn by mistake on the register again. None when there is no such device."""
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                device = await record.lock(connection, device_id)
                if device is None:
                    return None
                replaced = device.replaced_by is not None
                verdict = decide(device.stage, "reinstate", role=who.role, reason=reason, replaced=replaced)
                if isinstance(verdict, Refused):
                    return verdict
                if isinstance(verdict, Unchanged):
                    return device
                await connection.execute(QUERIES["reinstate"], device_id, now)
                asked, before, after = Asked(who.name, now, reason), {"stage": device.stage}, {"stage": verdict.stage}
                await record.record(connection, device_id, asked, "reinstated", before=before, after=after)
                return await record.reread(connection, device_id)
        except asyncpg.UniqueViolationError:  # its SIM is in another device by now
            return Taken("iccid")

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

    async def replace(self, device_id: str, successor: Successor, asked: Asked, reaches: Reaches) -> Pair | NotDone:
        """Withdraw a device, and let another take its place in the home; all of it or nothing. The same again changes nothing.

        The broker lets the old one in until the new one is live.
        """
        if successor.device_id in self._own_names:
            return OwnName()
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                answer = await replace_device(connection, device_id, successor, asked, reaches)
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


async def _shut_out(connection: Connection, device: Device, asked: Asked) -> Device | Refused:
    """Withdrawn as it is: one that the broker still lets in, until its successor is live, comes no more from now on."""
    if await connection.fetchval(QUERIES["is_on_duty"], device.device_id):
        if not asked.reason:
            detail = (
                f"{device.device_id} works until {device.replaced_by} is live; to shut it out before takes a reason."
            )
            return Refused("reason_missing", detail, ())
        await connection.execute(QUERIES["relieve"], device.device_id)
        await record.record(connection, device.device_id, asked, "shut-out", after={"stage": device.stage})
    return device


async def _put_live(connection: Connection, device: Device, verdict: Moved, asked: Asked) -> Device:
    after: dict[str, Any] = {"stage": "live"}
    word: tuple[str | None, str | None, list[str] | None] = (None, None, None)
    if verdict.overridden is not None:
        word = (asked.actor, asked.reason, list(verdict.overridden))
        after["overridden"] = list(verdict.overridden)
    await connection.execute(QUERIES["put_live"], device.device_id, asked.now, *word)
    await record.record(connection, device.device_id, asked, "live", before={"stage": device.stage}, after=after)
    return await record.reread(connection, device.device_id)
