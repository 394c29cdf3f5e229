"""What a sweep found, into the database: each verdict once, and with it what alerts is told."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from typing import Any, Final

from contracts.condition import Turn
from contracts.ids import EventId
from services.chassis.postgres import Connection
from services.ingest.domain.liveness import FLAPPING_SILENCES, Verdict, Watched
from services.ingest.liveness.sql import QUERIES

BATCH_MAX: Final = 1_000
_AT_ONCE: Final = 200  # so many are written down without a pause: for that long an alarm may have to wait
_CHANGES: Final = uuid.UUID("6d0f1c3e-5f0b-5d4e-9f57-0d6c3c1b7a11").bytes  # any constant of our own
_VARIANT: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}  # RFC 9562, 4.1

Row = Any
"""A device as the queries `due` and `silent_page` have it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict on a device as it was looked at."""

    row: Row
    verdict: Verdict


def watched(row: Row) -> Watched:
    """For the rule. Whoever is watched no more has no rule: see `Sweep`."""
    return Watched(
        device_id=row["device_id"],
        watched_since=row["watched_since"],
        heard_at=row["last_heard_at"],
        silent=row["silent"],
        judged_at=row["judged_heard_at"],
        returned_at=row["returned_at"],
        silences=row["silences"],
        first_silence_at=row["first_silence_at"],
    )


async def store(connection: Connection, found: Sequence[Found], now: datetime) -> Counter[Turn]:
    """Commit those that still hold, of at most `BATCH_MAX`; how many of them began and ended."""
    if not found:
        return Counter()
    columns: list[tuple[object, ...]] = []
    for number, each in enumerate(found):
        columns.append(_column(each))
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    arrays = map(list, zip(*columns, strict=True))
    rows = await connection.fetch(QUERIES["store_verdicts"], *arrays, FLAPPING_SILENCES, now)
    return Counter({row["turn"]: row["stored"] for row in rows})


def _column(found: Found) -> tuple[object, ...]:
    """As few as can be, for each of them costs as much as the rule: the database writes down the change that is told."""
    row, verdict = found.row, found.verdict
    device_id, version = row["device_id"], row["verdict_version"]
    return (
        row["place"],
        device_id,
        version,
        row["last_heard_at"],
        row["watched_since"],
        verdict.silent,
        verdict.returned_at,
        verdict.silences,
        verdict.first_silence_at,
        change_id(device_id, "silent", version + 1),
    )


def change_id(device_id: str, condition: str, version: int) -> EventId:
    """The same verdict told twice is one. As `uuid.uuid5` has it, at a quarter of the price: it may be half a million at once."""
    of = sha1(_CHANGES + f"{device_id} {condition} {version}".encode(), usedforsecurity=False).hexdigest()
    return EventId(f"{of[:8]}-{of[8:12]}-5{of[13:16]}-{_VARIANT[of[16]]}{of[17:20]}-{of[20:32]}")
