"""A fleet as ingest counts it: groups of devices, of which some are heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.alerts.domain.degraded import Degraded, Group, Share

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SHARD, OPERATOR, OTHER = "heartbeats-0", "23410", "23415"


def group(expected: int, heard: int | None = None, **fields: Any) -> Group:
    """So many devices; all are heard unless it says how many."""
    plain = Group(SHARD, "fife", "Hub A", OPERATOR, expected, expected if heard is None else heard, 0, NOON)
    return replace(plain, **fields)


def waiting(attribute: Any, value: str, for_s: float = 120) -> Degraded:
    """Low for so long, and not told."""
    return Degraded(Share(attribute, value), NOON - timedelta(seconds=for_s))


def told(attribute: Any, value: str) -> Degraded:
    return Degraded(Share(attribute, value), NOON - timedelta(minutes=5), NOON - timedelta(minutes=3))
