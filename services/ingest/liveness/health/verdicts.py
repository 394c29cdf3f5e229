"""What a look found of devices' health, into the database: each verdict once, and with it what alerts is told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.condition import STREAM, ConditionChange
from contracts.ids import CouncilId, DeviceId
from services.chassis.event_log import LogEntry
from services.chassis.postgres import Connection
from services.ingest.domain.health import WELL, Health, Limits, Readings, Standing, Turned, Verdict, expected_silent_at
from services.ingest.domain.health_words import About, event_of
from services.ingest.liveness.health.sql import QUERIES
from services.ingest.liveness.verdicts import change_id

BATCH_MAX: Final = 2_000
_AT_ONCE: Final = 200  # so many are written down without a pause: for that long an alarm may have to wait
_ALARMS: Final = "alarms"  # the stream by which ingest tells alerts of events
_URGENCY: Final = 3  # of a condition

Row = Any
"""A device as the query `ailing` has it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict on a device as it was looked at."""

    row: Row
    readings: Readings
    limits: Limits
    verdict: Verdict
    model: str | None


def readings(row: Row) -> Readings:
    """For the rule."""
    return Readings(
        watched=row["watched_since"] is not None,
        heard_at=row["last_heard_at"],
        mains=row["mains"],
        mains_changed_at=row["mains_changed_at"],
        battery_pct=row["battery_pct"],
        signal_average=row["signal_average"],
        clock_behind_s=row["clock_behind_s"],
        path_changes=row["path_changes"],
        says_low=bool(row["says_low"]),
    )


def health(row: Row) -> Health:
    """As it was judged last."""
    if row["health"] is None:
        return WELL
    return {
        ailment: Standing(datetime.fromisoformat(since), stage) for ailment, (stage, since) in row["health"].items()
    }


async def store(connection: Connection, found: Sequence[Found], now: datetime) -> tuple[int, Counter[Turned]]:
    """Commit those that still hold, of at most `BATCH_MAX`: how many they are, and what began and ended by them."""
    devices: list[tuple[object, ...]] = []
    told: list[tuple[object, ...]] = []
    for number, each in enumerate(found):
        row = each.row
        kept = _kept(each.verdict.health)
        devices.append((row["device_id"], row["verdict_version"], row["last_heard_at"], row["watched_since"], kept))
        entries = [_entry(each, turned, now) for turned in each.verdict.turned]
        told.extend((entry.key, entry.stream, entry.urgency, entry.body) for entry in entries)
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    columns = [*map(list, zip(*devices, strict=True)), *(map(list, zip(*told, strict=True)) if told else [[]] * 4)]
    rows = await connection.fetch(QUERIES["store_health"], *columns, now)
    ours = {row["device_id"] for row in rows}
    return len(ours), Counter(
        turned for each in found if each.row["device_id"] in ours for turned in each.verdict.turned
    )


def _kept(after: Health) -> str | None:
    if not after:
        return None
    return json.dumps({ailment: [each.stage, each.since.isoformat()] for ailment, each in after.items()})


def _entry(found: Found, turned: Turned, now: datetime) -> LogEntry:
    device_id = found.row["device_id"]
    if turned.ailment == "mains_lost":
        return LogEntry(STREAM, device_id, _URGENCY, _change(found, turned, now).to_json())
    event_id = change_id(device_id, turned.ailment, found.row["verdict_version"] + 1)
    about = About(event_id=event_id, device_id=device_id, council_id=found.row["council_id"], at=now)
    event = event_of(turned, about, found.readings, found.limits)
    return LogEntry(_ALARMS, device_id, int(event.urgency), event.to_json())


def _change(found: Found, turned: Turned, now: datetime) -> ConditionChange:
    row, version = found.row, found.row["verdict_version"] + 1
    return ConditionChange(
        change_id=change_id(row["device_id"], "mains_lost", version),
        device_id=DeviceId(row["device_id"]),
        council_id=CouncilId(row["council_id"]),
        condition="mains_lost",
        turn=turned.turn,
        at=now,
        since=turned.since,
        version=version,
        expected_silent_at=expected_silent_at(turned.since, found.limits) if turned.turn == "began" else None,
        watched=found.readings.watched,
        model=found.model,
        firmware=row["firmware"],
        sim_operator=row["sim_operator"],
        cell_id=row["cell_id"],
        network=row["network"],
        postcode_district=row["postcode_district"],
    )
