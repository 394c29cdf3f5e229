"""Erasures in the database: asked for in one transaction with what the registry erases, and with what it tells the others."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import Vault
from services.registry.idempotency import ERASED_ANSWER

_QUERIES = Queries.beside(__file__)

What: TypeAlias = Literal["installation_ref", "notes", "text", "operator_notes"]
STREAMS: Final = ("erasures-ingest", "erasures-alerts")
_URGENCY: Final = 5  # nobody waits for it


@dataclass(frozen=True, slots=True)
class Erasure:
    """`waits_for` is an alarm that is not closed: its hub still needs what shall be erased, which goes once it is."""

    erasure_id: uuid.UUID
    device_id: str
    what: list[str]
    reason: str
    asked_by: str
    asked_at: datetime
    ingest_done_at: datetime | None
    alerts_done_at: datetime | None
    waits_for: uuid.UUID | None

    @property
    def state(self) -> Literal["done", "waits_for_alarm", "under_way"]:
        if self.ingest_done_at is not None and self.alerts_done_at is not None:
            return "done"
        return "under_way" if self.waits_for is None else "waits_for_alarm"


class ErasureStore:
    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def ask(self, device_id: str, what: Sequence[What], reason: str, *, actor: str, now: datetime) -> uuid.UUID:
        """Erase the register's, and tell ingest and alerts: all of it, or nothing. The device exists."""
        erasure_id = uuid.uuid4()
        body = json.dumps({"erasure_id": str(erasure_id)})
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(_QUERIES["insert_erasure"], erasure_id, device_id, what, reason, actor, now)
            await connection.execute(_QUERIES["erase_device"], device_id, what)
            await connection.execute(_QUERIES["erase_history"], erasure_id)
            await connection.execute(_QUERIES["erase_answers"], device_id, what, self._vault.encrypt(ERASED_ANSWER))
            await append(connection, [LogEntry(stream, device_id, _URGENCY, body) for stream in STREAMS], now)
        return erasure_id

    async def of(
        self, device_id: str, after_at: datetime | None = None, after_id: uuid.UUID | None = None, limit: int = 100
    ) -> list[Erasure]:
        """Newest first."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["erasures"], device_id, after_at, after_id, limit)
        return [Erasure(**row) for row in rows]
