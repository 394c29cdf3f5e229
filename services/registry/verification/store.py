"""Codes in the database, as digests; and told to alerts through the event log, in the transaction that keeps the digest."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from contracts.ids import HubId
from contracts.verification import CODE_DIGITS, Verification
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.verification import (
    ATTEMPTS_MAX,
    CODE_LIFE,
    Pending,
    Reason,
    Refused,
    digest,
    judge,
    may_send,
    sends_that_count,
)

_QUERIES = Queries.beside(__file__)

STREAM: Final = "verifications"
"""Of the event log: alerts sends each code over the channel that it is for."""
_URGENCY: Final = 3

Owner: TypeAlias = Literal["hub", "responder"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is verified: a channel of a hub, or a responder of a council, by its id."""

    owner: Owner
    owner_id: str
    channel_id: UUID


@dataclass(frozen=True, slots=True)
class Sent:
    """A code is on its way, and may be entered so often until then."""

    channel_id: UUID
    expires_at: datetime
    attempts_left: int


@dataclass(frozen=True, slots=True)
class Verified:
    """Somebody reads what is sent there: it counts from now on."""

    channel_id: UUID
    verified_at: datetime
    verified: bool = True


_LOCK: Final[dict[Owner, str]] = {"hub": "lock_hub_channel", "responder": "lock_responder"}
_VERIFY: Final[dict[Owner, str]] = {"hub": "verify_hub_channel", "responder": "verify_responder"}


class VerificationStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def send(self, subject: Subject, now: datetime) -> Sent | Refused:
        """Make a code and have it sent; the one before it is void."""
        async with borrow(self._pool) as connection, connection.transaction():
            if refused := await _lock(connection, subject):
                return refused
            pending = await _pending(connection, subject.channel_id)
            sent_at = list(pending.sent_at) if pending else []
            if refused := may_send(sent_at, now):
                return refused
            code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
            expires_at, counting = now + CODE_LIFE, [*sends_that_count(sent_at, now), now]
            kept = digest(subject.channel_id, code)
            await connection.execute(_QUERIES["put_code"], subject.channel_id, kept, expires_at, counting)
            await append(connection, [_entry(subject, code, expires_at)], now)
        return Sent(subject.channel_id, expires_at, ATTEMPTS_MAX)

    async def enter(self, subject: Subject, code: str, now: datetime) -> Verified | Refused:
        """Try a code. A wrong one is counted; the right one verifies, and is void."""
        async with borrow(self._pool) as connection, connection.transaction():
            if refused := await _lock(connection, subject):
                return refused
            refused = judge(await _pending(connection, subject.channel_id), subject.channel_id, code, now)
            if refused is not None:
                if refused.reason is Reason.WRONG:
                    await connection.execute(_QUERIES["count_attempt"], subject.channel_id)
                return refused
            await connection.execute(_QUERIES[_VERIFY[subject.owner]], subject.channel_id, now)
            await connection.execute(_QUERIES["forget_code"], subject.channel_id)
        return Verified(subject.channel_id, now)


async def _lock(connection: Connection, subject: Subject) -> Refused | None:
    row = await connection.fetchrow(_QUERIES[_LOCK[subject.owner]], subject.channel_id, subject.owner_id)
    if row is None:
        return Refused(Reason.UNKNOWN)
    return Refused(Reason.VERIFIED) if row["verified_at"] is not None else None


async def _pending(connection: Connection, channel_id: UUID) -> Pending | None:
    row = await connection.fetchrow(_QUERIES["pending"], channel_id)
    return None if row is None else Pending(**row)


def _entry(subject: Subject, code: str, expires_at: datetime) -> LogEntry:
    hub_id = HubId(subject.owner_id) if subject.owner == "hub" else None
    told = Verification(
        channel_id=subject.channel_id, owner=subject.owner, hub_id=hub_id, code=code, expires_at=expires_at
    )
    return LogEntry(STREAM, str(subject.channel_id), _URGENCY, told.model_dump_json())
