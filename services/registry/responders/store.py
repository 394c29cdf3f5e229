"""Responders in the database. Names and addresses go in encrypted; the name comes out, and the address masked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from asyncpg import Record
from pydantic import TypeAdapter

from contracts.rota import Rota
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.contacts import Contacts
from services.registry.domain.address import masked
from services.registry.domain.responder import (
    RESPONDERS_MAX,
    Known,
    Misfit,
    Settled,
    WantedResponder,
    settle,
    settle_new,
)
from services.registry.responders.values import (
    AddressTaken,
    Refusal,
    Responder,
    TooMany,
    UnknownCouncil,
    UnknownResponder,
)

_QUERIES = Queries.beside(__file__)
_ROTA: TypeAdapter[Rota] = TypeAdapter(Rota)


class ResponderStore:
    def __init__(self, pool: Pool, contacts: Contacts) -> None:
        self._pool = pool
        self._contacts = contacts

    async def of(self, council_id: str) -> list[Responder] | UnknownCouncil:
        """The council's responders, in their order."""
        async with borrow(self._pool) as connection:
            if not await connection.fetchval(_QUERIES["council_exists"], council_id):
                return UnknownCouncil()
            return [self._responder(row) for row in await connection.fetch(_QUERIES["responders"], council_id)]

    async def add(self, council_id: str, wanted: WantedResponder, now: datetime) -> Responder | Refusal:
        """Add a responder, at the end unless told otherwise."""
        async with borrow(self._pool) as connection, connection.transaction():
            rows = await _locked(connection, council_id)
            if rows is None:
                return UnknownCouncil()
            if len(rows) >= RESPONDERS_MAX:
                return TooMany()
            settled = settle_new(wanted)
            if isinstance(settled, Misfit):
                return settled
            if taken := self._taken(settled, rows):
                return taken
            responder_id, sealed = uuid4(), self._sealed(settled, wanted, None, now)
            await connection.execute(_QUERIES["add_responder"], responder_id, *sealed, council_id, len(rows), now)
            return await self._placed(connection, council_id, responder_id, wanted.position)

    async def put(
        self, council_id: str, responder_id: UUID, wanted: WantedResponder, now: datetime
    ) -> Responder | Refusal:
        """Change a responder. One whose address changes is no longer verified, and a code on its way to it is void."""
        async with borrow(self._pool) as connection, connection.transaction():
            rows = await _locked(connection, council_id)
            row = _row_of(responder_id, rows or [])
            if rows is None or row is None:
                return UnknownCouncil() if rows is None else UnknownResponder()
            settled = settle(self._known(row), wanted)
            if isinstance(settled, Misfit):
                return settled
            if taken := self._taken(settled, [each for each in rows if each is not row]):
                return taken
            sealed = self._sealed(settled, wanted, row, now)
            await connection.execute(_QUERIES["change_responder"], responder_id, *sealed)
            if settled.address is not None:
                await connection.execute(_QUERIES["forget_code"], responder_id)
            return await self._placed(connection, council_id, responder_id, wanted.position)

    async def remove(self, council_id: str, responder_id: UUID, now: datetime) -> Refusal | None:
        """Remove a responder; the others close ranks."""
        async with borrow(self._pool) as connection, connection.transaction():
            rows = await _locked(connection, council_id)
            if rows is None or _row_of(responder_id, rows) is None:
                return UnknownCouncil() if rows is None else UnknownResponder()
            await connection.execute(_QUERIES["remove_responder"], responder_id, now)
            await connection.execute(_QUERIES["forget_code"], responder_id)
            others = [row["responder_id"] for row in rows if row["responder_id"] != responder_id]
            await connection.execute(_QUERIES["put_order"], others)
            return None

    async def _placed(
        self, connection: Connection, council_id: str, responder_id: UUID, position: int | None
    ) -> Responder:
        """The responder, moved to that place in the order; where it is when that is None."""
        if position is not None:
            rows = await connection.fetch(_QUERIES["responders"], council_id)
            order = [row["responder_id"] for row in rows if row["responder_id"] != responder_id]
            order.insert(position, responder_id)
            await connection.execute(_QUERIES["put_order"], order)
        row = _row_of(responder_id, await connection.fetch(_QUERIES["responders"], council_id))
        if row is None:
            raise RuntimeError("a responder just written is not there")
        return self._responder(row)

    def _sealed(
        self, settled: Settled, wanted: WantedResponder, row: Record | None, now: datetime
    ) -> tuple[str, bytes, bytes, str, datetime | None]:
        """The columns from `kind` on. What stays is not sealed anew: what can't be read any more would be lost."""
        name = row["name_encrypted"] if row and wanted.name is None else self._contacts.seal(wanted.name or "")
        stays = row is not None and settled.address is None
        address = row["address_encrypted"] if row and stays else self._contacts.seal(settled.address or "")
        verified_at = row["verified_at"] if row and stays else None
        if wanted.verified is not None:
            verified_at = (verified_at or now) if wanted.verified else None
        return settled.kind, name, address, _ROTA.dump_json(settled.rota, by_alias=True).decode(), verified_at

    def _taken(self, settled: Settled, others: Sequence[Record]) -> AddressTaken | None:
        for other in others if settled.address is not None else ():
            if other["kind"] == settled.kind and self._contacts.reveal(other["address_encrypted"]) == settled.address:
                return AddressTaken(other["responder_id"])
        return None

    def _known(self, row: Record) -> Known:
        return Known(row["kind"], self._contacts.reveal(row["address_encrypted"]), _ROTA.validate_json(row["rota"]))

    def _responder(self, row: Record) -> Responder:
        known = self._known(row)
        return Responder(
            responder_id=row["responder_id"],
            council_id=row["council_id"],
            position=row["position"],
            kind=known.kind,
            name=self._contacts.reveal(row["name_encrypted"]),
            address=None if known.address is None else masked(known.kind, known.address),
            rota=known.rota,
            verified=row["verified_at"] is not None,
            created_at=row["created_at"],
        )


async def _locked(connection: Connection, council_id: str) -> list[Record] | None:
    """The council's responders, which nobody else changes or verifies until this transaction ends; None: no such council."""
    if await connection.fetchval(_QUERIES["lock_council"], council_id) is None:
        return None
    await connection.execute(_QUERIES["lock_responders"], council_id)
    return await connection.fetch(_QUERIES["responders"], council_id)


def _row_of(responder_id: UUID, rows: Sequence[Record]) -> Record | None:
    return next((row for row in rows if row["responder_id"] == responder_id), None)
