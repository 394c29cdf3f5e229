"""The producer's side."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.chassis.postgres import Connection, Queries

QUERIES = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A fact to tell. Rows of one `stream` and `key` are handled in order; `urgency` 1 … 5, the most urgent key first."""

    stream: str
    key: str
    urgency: int
    body: str  # JSON


async def append(connection: Connection, entries: Sequence[LogEntry], now: datetime) -> None:
    """Append, inside the caller's transaction: it is told if and only if the fact is stored."""
    await connection.execute(
        QUERIES["append"],
        [entry.stream for entry in entries],
        [entry.key for entry in entries],
        [entry.urgency for entry in entries],
        [entry.body for entry in entries],
        now,
    )
