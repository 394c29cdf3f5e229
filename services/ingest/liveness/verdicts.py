"""What a sweep found, into the database: each verdict once, and with it what alerts is told."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.condition import ConditionChange, Turn
from contracts.ids import EventId
from services.chassis.postgres import Connection
from services.ingest.domain.liveness import Verdict, Watched
from services.ingest.liveness.sql import QUERIES

BATCH_MAX: Final = 2_000
_AT_ONCE: Final = 200  # so many are written down without a pause: for that long an alarm may have to wait
_CHANGES: Final = uuid.UUID("6d0f1c3e-5f0b-5d4e-9f57-0d6c3c1b7a11")  # any constant of our own

Row = Any
"""A device as the queries `due` and `silent_page` have it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict on a device as it was looked at."""

    row: Row
    verdict: Verdict
    model: str | None

    @property
    def turn(self) -> Turn | None:
        """What there is to tell; None: nothing that anybody else need know."""
        if self.verdict.silent == self.row["silent"]:
            return None
        return "began" if self.verdict.silent else "ended"


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
    columns: list[tuple[object, ...]] = []
    for number, each in enumerate(found):
        columns.append(_column(each, now))
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    rows = await connection.fetch(QUERIES["store_verdicts"], *map(list, zip(*columns, strict=True)), now)
    ours = {row["device_id"] for row in rows}
    return Counter(each.turn for each in found if each.turn is not None and each.row["device_id"] in ours)


def _column(found: Found, now: datetime) -> tuple[object, ...]:
    row, verdict, turn = found.row, found.verdict, found.turn
    return (
        row["device_id"],
        row["verdict_version"],
        row["last_heard_at"],
        row["watched_since"],
        verdict.silent,
        verdict.returned_at,
        verdict.silences,
        verdict.first_silence_at,
        None if turn is None else _change(found, turn, now).to_json(),
    )


def _change(found: Found, turn: Turn, now: datetime) -> ConditionChange:
    row, version = found.row, found.row["verdict_version"] + 1
    return ConditionChange(
        change_id=change_id(row["device_id"], "silent", version),
        device_id=row["device_id"],
        council_id=row["council_id"],
        condition="silent",
        turn=turn,
        at=now,
        since=row["last_heard_at"],
        version=version,
        flapping=found.verdict.flapping,
        watched=row["watched_since"] is not None,
        model=found.model,
        firmware=row["firmware"],
        sim_operator=row["sim_operator"],
        cell_id=row["cell_id"],
        network=row["network"],
        postcode_district=row["postcode_district"],
    )


def change_id(device_id: str, condition: str, version: int) -> EventId:
    """The same verdict told twice is one."""
    return EventId(str(uuid.uuid5(_CHANGES, f"{device_id} {condition} {version}")))
