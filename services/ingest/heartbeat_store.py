"""Heartbeats into the database: binary COPY into a temporary table, then one statement for rows and liveness."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import Line
from services.chassis.postgres.errors import Unencodable
from services.ingest.domain.decode import HeartbeatRow, Quarantined
from services.ingest.heartbeat_batch import Part
from services.ingest.sql import QUERIES


class Counts(NamedTuple):
    """Of heartbeats: stored now, stored before, and quarantined because the database would not have them."""

    stored: int
    duplicate: int
    refused: int = 0

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class HeartbeatStore:
    """One connection. Two stores never get rows of the same device at the same time, or they could deadlock."""

    def __init__(self, pool: Pool) -> None:
        self._line = Line(pool, on_open=QUERIES["stage_heartbeats"])

    async def store(self, part: Part, now: datetime) -> Counts:
        """Commit it all; `now` is when it was received. Raises what the database raises; then nothing of it is stored."""
        stored = 0
        async with self._line.transaction() as connection:
            if part.replayed:
                await _stage(connection, part.replayed)
                stored += await connection.fetchval(QUERIES["store_replayed"], now)
            if part.rows:
                stored += await _store_rows(connection, part.rows, now)
            if part.quarantined:
                await connection.executemany(
                    QUERIES["quarantine"], [_quarantine_row(*each) for each in part.quarantined]
                )
            if part.heard:
                await connection.execute(QUERIES["hear"], list(part.heard), list(part.heard.values()), now)
            if part.hinted:
                await connection.execute(QUERIES["note_hints"], list(part.hinted), now)
        return Counts(stored, len(part.rows) + len(part.replayed) - stored)

    def close(self) -> None:
        self._line.drop()


async def _stage(connection: Connection, rows: Sequence[HeartbeatRow]) -> None:
    try:
        await connection.copy_records_to_table("staged_heartbeat", records=map(_staged, rows))
    except (
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # COPY's encoder, unlike that of statements, raises what it meets
        raise Unencodable(type(error).__name__) from error


def _staged(row: HeartbeatRow) -> tuple[object, ...]:
    """Without what the statement knows or can derive: encoding one timestamp costs more than all that is no timestamp."""
    device_id, council_id, boot_id, seq, at, sent_at, _received_at, *readings = row
    return device_id, council_id, boot_id, seq, None if at is sent_at else at, sent_at, *readings


async def _store_rows(connection: Connection, rows: Sequence[HeartbeatRow], now: datetime) -> int:
    await _stage(connection, rows)
    counts = await connection.fetchrow(QUERIES["apply_heartbeats"], now)
    assert counts is not None  # noqa: S101 - counts of whole tables always come as one row
    if counts["heard"] < counts["devices"]:
        await connection.execute(QUERIES["add_unknown_devices"], now)
    return int(counts["stored"])


def _quarantine_row(lane: str, aside: Quarantined) -> tuple[object, ...]:
    return lane, aside.topic, aside.council_id, aside.device_id, aside.reason, aside.payload, aside.received_at
