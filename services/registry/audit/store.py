"""What is read of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow

_QUERIES = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did, or asked for, what. `asked`: before it was done; what became of it is another row with the same `request_id`."""

    audit_id: int
    at: datetime
    request_id: str
    via: str
    who: str
    operator: str | None
    role: str | None
    hub_id: str | None
    action: str
    subject_kind: str | None
    subject: str | None
    outcome: str
    status: int | None
    detail: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Each of None is no restriction. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    subject: str | None = None
    request_id: str | None = None


class AuditReader:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, wanted: Wanted, after_at: datetime | None, after_id: int | None, limit: int) -> list[AuditRow]:
        """Newest first, after the one that was seen last."""
        sought = (wanted.since, wanted.until, wanted.who, wanted.subject, wanted.request_id)
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["audit_page"], after_at, after_id, *sought, limit)
        return [AuditRow(**row) for row in rows]
