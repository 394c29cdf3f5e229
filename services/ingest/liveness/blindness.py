"""When we could not hear, as the shards themselves wrote it down."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from contracts.topics import councils_heard, councils_of
from services.chassis.postgres import Connection
from services.ingest.domain.hearing import Ear, Hearing, Newly
from services.ingest.domain.liveness import Lapse
from services.ingest.liveness.sql import QUERIES

_LOOK_BACK: Final = timedelta(days=62)
"""Twice the longest silence that a model may be allowed (registry.device_model): as much again may not have counted."""


async def read_hearing(connection: Connection, now: datetime) -> Hearing:
    """Who hears, and when they did not."""
    ears = await connection.fetch(QUERIES["ears"], now)
    lapses: dict[str, list[Lapse]] = defaultdict(list)
    newly: dict[str, list[Newly]] = defaultdict(list)
    for row in await connection.fetch(QUERIES["lapses"], now - _LOOK_BACK):
        lapse = Lapse(row["started_at"], row["ended_at"])
        if row["filters"] is None:
            lapses[row["shard"]].append(lapse)
        else:
            newly[row["shard"]].append(Newly(councils_of(row["filters"], "heartbeat"), lapse))
    for row in ears:
        if row["blind_since"] is not None:
            lapses[row["shard"]].append(Lapse(row["blind_since"], None))
    return Hearing(
        [
            Ear(
                row["shard"],
                councils_heard(row["filters"], row["subscribed"], "heartbeat"),
                tuple(lapses[row["shard"]]),
                tuple(newly[row["shard"]]),
            )
            for row in ears
        ]
    )
