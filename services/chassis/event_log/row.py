"""What a handler is given, and what it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from services.chassis.postgres import Connection


@dataclass(frozen=True, slots=True)
class LogRow:
    """One fact, as it was appended. `attempts` have failed so far."""

    event_log_id: int
    key: str
    urgency: int
    body: str = field(repr=False)  # JSON; may hold what a person said
    created_at: datetime
    attempts: int


AfterCommit: TypeAlias = Callable[[], None]
"""What must not be done, or said, before what it is about is stored."""
Handle: TypeAlias = Callable[[Connection, LogRow, datetime], Awaitable[AfterCommit | None]]
