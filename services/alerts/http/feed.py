"""Alarms as they happen: a snapshot and the stream that goes on from it are one, so that nothing falls between.

Each follower reads the table of transitions from its own cursor; a NOTIFY only says that it is worth looking now. So a
slow follower holds up nobody, and one that comes back goes on where it was (Last-Event-ID).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from services.alerts.http.asker import Scope
from services.alerts.store import QUERIES, alarm_of
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

HEARTBEAT_EVERY_S: Final = 15.0
LASTS_S: Final = 15 * 60.0
"""Then the client connects again, by itself, and its token is looked at again."""
_LOOK_FIRST_S: Final = 0.05  # an older transaction may still be under way when we are told of a newer one
_LOOK_EVERY_S: Final = 1.0  # LISTEN dies silently


@dataclass(slots=True)
class Cursor:
    """Where a follower is; `seen` is the snapshot that it began with."""

    xact: str
    transition_id: int
    seen: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """From Last-Event-ID; None when it is none of ours."""
        xact, dash, id_ = (text or "").partition("-")
        if not dash or not (xact.isdecimal() and id_.isdecimal()) or int(xact) >= 2**63 or int(id_) >= 2**63:
            return None
        return cls(xact, int(id_))

    def __str__(self) -> str:
        return f"{self.xact}-{self.transition_id}"


@dataclass(slots=True)
class Feed:
    """Shared by all followers in this process."""

    pool: Pool
    _followers: set[asyncio.Event] = field(default_factory=set, init=False)

    def poke(self, _payload: str = "") -> None:
        """Something has happened to an alarm."""
        for follower in self._followers:
            follower.set()

    async def follow(self, scope: Scope, last_event_id: str | None) -> AsyncIterator[str]:
        """The text of the stream, for 15 minutes."""
        told = asyncio.Event()
        self._followers.add(told)
        try:
            yield "retry: 1000\n\n"
            cursor = Cursor.parse(last_event_id)
            if cursor is None:
                async with borrow(self.pool) as connection:
                    cursor, snapshot = await _snapshot(connection, scope)
                yield snapshot
            async for text in self._from(cursor, scope, told):
                yield text
        finally:
            self._followers.discard(told)

    async def _from(self, cursor: Cursor, scope: Scope, told: asyncio.Event) -> AsyncIterator[str]:
        ends_at = time.monotonic() + LASTS_S
        spoke_at = time.monotonic()
        look_s = _LOOK_FIRST_S
        while time.monotonic() < ends_at:
            told.clear()
            text = await self._next(cursor, scope)
            if text is None and time.monotonic() - spoke_at > HEARTBEAT_EVERY_S:
                text = ": still here\n\n"
            if text is not None:
                spoke_at = time.monotonic()
                yield text
            try:
                async with asyncio.timeout(look_s):
                    await told.wait()
                look_s = _LOOK_FIRST_S
            except TimeoutError:
                look_s = min(look_s * 2, _LOOK_EVERY_S)

    async def _next(self, cursor: Cursor, scope: Scope) -> str | None:
        """What has happened since; moves the cursor."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(
                QUERIES["feed"], cursor.xact, cursor.transition_id, cursor.seen, scope.hub, scope.councils
            )
        if not rows:
            return None
        cursor.xact, cursor.transition_id = rows[-1]["xact"], rows[-1]["transition_id"]
        told = [row for row in rows if row["told"]]
        return (
            "".join(_event(row["type"], f"{row['xact']}-{row['transition_id']}", _dump(row["data"])) for row in told)
            or None
        )


async def _snapshot(connection: Connection, scope: Scope) -> tuple[Cursor, str]:
    """What is not closed, and the cursor that goes on from exactly there."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        start = await connection.fetchrow(QUERIES["feed_start"])
        rows = await connection.fetch(QUERIES["feed_open_alarms"], scope.hub, scope.councils)
    if start is None:
        raise AssertionError("a select of functions has a row")
    cursor = Cursor(start["xact"], 0, start["seen"])
    alarms = [_event("snapshot", None, alarm_of(row).view().model_dump_json()) for row in rows]
    return cursor, "".join([*alarms, _event("live", str(cursor), "{}")])


def _event(type_: str, id_: str | None, data: str) -> str:
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {type_}\ndata: {data}\n\n"


def _dump(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
