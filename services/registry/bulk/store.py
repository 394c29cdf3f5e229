"""Many devices into the database: all of a file in one transaction, or nothing of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.devices.record import PROOF_BEGINS, proof_since, registered
from services.registry.devices.values import Asked, Filter
from services.registry.domain.device import Device
from services.registry.domain.intake import Candidate, Changed, Intake, Known, take_in
from services.registry.domain.own_names import OwnNames
from services.registry.domain.sheet import ATTRIBUTES

QUERIES = Queries.beside(__file__)
_TIMEOUT_S: Final = 70.0
_ATTEMPTS_MAX: Final = 4
REASON: Final = "imported from a file"


class _Overtaken(Exception):
    """Somebody registered, meanwhile, what we were about to: judge again."""


class BulkStore:
    def __init__(self, pool: Pool, own_names: OwnNames) -> None:
        self._pool = pool
        self._own_names = own_names

    async def store(
        self,
        candidates: Sequence[Candidate],
        positions: Mapping[str, int],
        asked: Asked,
        *,
        reach: frozenset[str] | None,
        update: bool,
        write: bool | None,
    ) -> Intake:
        """Judge the rows against the register and store them. `write`: True the good ones, None if all are good, False none.

        Raises TimeoutError when others register the same devices faster than we look.
        """
        for _ in range(_ATTEMPTS_MAX):
            try:
                async with borrow(self._pool) as connection, connection.transaction():
                    await connection.execute(QUERIES["bounds"])
                    if write is not False:
                        await connection.execute(QUERIES["one_at_a_time"], timeout=_TIMEOUT_S)
                    known = await self._known(connection, candidates, reach, update=update, lock=write is not False)
                    intake = await asyncio.to_thread(take_in, candidates, known, positions)
                    if write or (write is None and not intake.faults):
                        await _insert(connection, intake.new, asked)
                        await _change(connection, intake.changed, asked)
                    return intake
            except (_Overtaken, asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                continue
        raise TimeoutError("others change the same devices")

    async def export_page(self, after: str, limit: int, filter_: Filter) -> list[Device]:
        """The devices whose ids follow `after`, in their order."""
        councils = None if filter_.councils is None else list(filter_.councils)
        sought = (councils, filter_.council, filter_.stage, filter_.q, filter_.overridden)
        async with borrow(self._pool) as connection:
            return [Device(**row) for row in await connection.fetch(QUERIES["export_page"], after, *sought, limit)]

    async def _known(
        self,
        connection: Connection,
        candidates: Sequence[Candidate],
        reach: frozenset[str] | None,
        *,
        update: bool,
        lock: bool,
    ) -> Known:
        async def fetch(name: str, *arguments: object) -> list[asyncpg.Record]:
            return await connection.fetch(QUERIES[name], *arguments, timeout=_TIMEOUT_S)

        ids = [each.device_id for each in candidates]
        devices = await fetch("lock_devices" if lock else "devices", ids)
        serials = await fetch("serials", [each.said["serial"] for each in candidates])
        sims = await fetch("sims", [sim for each in candidates if (sim := each.said.get("iccid"))])
        return Known(
            councils=frozenset(row["council_id"] for row in await fetch("councils")),
            reach=reach,
            devices={row["device_id"]: Device(**row) for row in devices},
            serials={row["serial"]: row["device_id"] for row in serials},
            sims={row["iccid"]: row["device_id"] for row in sims},
            own_names=self._own_names,
            update=update,
        )


async def _insert(connection: Connection, new: Sequence[Candidate], asked: Asked) -> None:
    if not new:
        return
    said = [{name: each.said.get(name) for name in ATTRIBUTES} for each in new]
    columns = [[fields[name] for fields in said] for name in ATTRIBUTES]
    stages = [each.stage for each in new]
    stored = await connection.fetch(QUERIES["insert_devices"], *columns, stages, asked.now, timeout=_TIMEOUT_S)
    if len(stored) < len(new):
        raise _Overtaken
    await _record(
        connection, [(each.device_id, each.stage, None, fields) for each, fields in zip(new, said, strict=True)], asked
    )
    await _tell(connection, [registered(each.device_id, each.said["council_id"]) for each in new], asked.now)


async def _change(connection: Connection, changed: Sequence[Changed], asked: Asked) -> None:
    if not changed:
        return
    become = [each.becomes() for each in changed]
    columns = [[getattr(device, name) for device in become] for name in (*ATTRIBUTES, "stage")]
    await connection.execute(QUERIES["change_devices"], *columns, asked.now, timeout=_TIMEOUT_S)
    await _record(connection, [line for each in changed for line in _lines(each, asked.now)], asked)


_Line = tuple[str, str, Mapping[str, Any] | None, Mapping[str, Any]]


def _lines(changed: Changed, now: datetime) -> Iterator[_Line]:
    device = changed.device
    if changed.fields:
        before = {name: getattr(device, name) for name in changed.fields}
        yield device.device_id, "patched", before, changed.fields
    if changed.begins_anew:
        yield device.device_id, PROOF_BEGINS, None, proof_since(now)
    if changed.arrived:
        yield device.device_id, "registered", {"stage": device.stage}, {"stage": "registered"}


async def _record(connection: Connection, lines: Sequence[_Line], asked: Asked) -> None:
    ids, changes, befores, afters = zip(*lines, strict=True)
    await connection.execute(
        QUERIES["record_changes"],
        ids,
        changes,
        [None if before is None else json.dumps(before) for before in befores],
        [json.dumps(after) for after in afters],
        asked.now,
        asked.actor,
        asked.reason or REASON,
        timeout=_TIMEOUT_S,
    )


async def _tell(connection: Connection, entries: Sequence[LogEntry], now: datetime) -> None:
    if entries:
        await append(connection, entries, now)
