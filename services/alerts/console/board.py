"""The queue as an operator sees it: read in one transaction, with the place from which the stream goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

from services.alerts.console import presence
from services.alerts.console.operators import has
from services.alerts.console.sql import QUERIES
from services.alerts.console.trouble import Trouble, read_trouble
from services.alerts.domain.alarm import Alarm
from services.alerts.http.asker import Scope
from services.alerts.silences import store as silences_store
from services.alerts.silences.store import Silence
from services.alerts.store import QUERIES as ALERTS
from services.alerts.store import alarm_of
from services.chassis.http import Paging
from services.chassis.pages import Session
from services.chassis.postgres import Connection

if TYPE_CHECKING:
    from asyncpg import Record

SHOWN_MAX: Final = 100
_TESTS_SHOWN: Final = 10
_CLOSED_SHOWN: Final = 15
_TESTS_FOR: Final = timedelta(hours=24)
_CLOSED_FOR: Final = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Card:
    """An alarm in a list. `council` is the name; `lookers` are the colleagues who look at it now."""

    alarm: Alarm
    council: str | None
    record_url_template: str | None
    lookers: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Record) -> Self:
        return cls(alarm_of(row), row["council"], row["record_url_template"])

    @property
    def at_risk(self) -> bool:
        """The person's only device is unprotected."""
        return self.alarm.view().at_risk

    @property
    def record_url(self) -> str | None:
        """The hub's own record of the home."""
        template, reference = self.record_url_template, self.alarm.installation_ref
        return template.replace("{installation_ref}", quote(reference, safe="")) if template and reference else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Every list, each most urgent and then oldest first. `more`: lists that are longer than what is shown of them."""

    now: datetime
    cursor: str
    hub: str | None
    trouble: Trouble
    waiting: Sequence[Card]
    mine: Sequence[Card]
    others: Sequence[Card]
    technical: Sequence[Card]
    tests: Sequence[Card]
    closed: Sequence[Card]
    silences: Sequence[Silence]
    council_names: Mapping[str, str]  # of the silences
    more: frozenset[str]

    @property
    def life_waiting(self) -> int:
        """How many of priority 1 nobody has: they sound."""
        return sum(card.alarm.priority == 1 for card in self.waiting)


async def read_board(connection: Connection, session: Session, now: datetime) -> Board:
    """Inside the caller's repeatable-read transaction: what it shows, and the cursor behind it, are of one instant."""
    scope = Scope.of(session.who)
    start = await connection.fetchrow(ALERTS["feed_start"])
    if start is None:
        raise AssertionError("a select of functions has a row")
    waiting = await _open(connection, scope, "open", 1, 3)
    taken = await _open(connection, scope, "acknowledged", 1, 3)
    technical = [*await _open(connection, scope, "open", 4, 4), *await _open(connection, scope, "acknowledged", 4, 4)]
    tests = await _recent(connection, "board_tests", scope, now - _TESTS_FOR, _TESTS_SHOWN)
    closed = await _recent(connection, "board_closed", scope, now - _CLOSED_FOR, _CLOSED_SHOWN)
    seen_by = await presence.lookers(
        connection, [card.alarm.alarm_id for card in (*waiting, *taken, *technical)], session, now
    )

    def shown(cards: Sequence[Card]) -> list[Card]:
        return [replace(card, lookers=tuple(seen_by.get(card.alarm.alarm_id, ()))) for card in cards[:SHOWN_MAX]]

    silences = (await silences_store.newest(connection, scope, Paging(SHOWN_MAX), now, active=True))[:SHOWN_MAX]
    lists = {"waiting": waiting, "taken": taken, "technical": technical}
    return Board(
        now=now,
        cursor=f"{start['xact']}-0",
        hub=await connection.fetchval(QUERIES["hub_name"], scope.hub) if scope.hub else None,
        trouble=await read_trouble(connection, scope),
        waiting=shown(waiting),
        mine=[card for card in shown(taken) if has(session, card.alarm)],
        others=[card for card in shown(taken) if not has(session, card.alarm)],
        technical=shown(technical),
        tests=tests,
        closed=closed,
        silences=silences,
        council_names=await _names(connection, silences),
        more=frozenset(name for name, cards in lists.items() if len(cards) > SHOWN_MAX),
    )


async def _open(connection: Connection, scope: Scope, state: str, first: int, last: int) -> list[Card]:
    rows = await connection.fetch(QUERIES["board"], scope.hub, scope.councils, state, first, last, SHOWN_MAX + 1)
    return [Card.of(row) for row in rows]


async def _recent(connection: Connection, query: str, scope: Scope, since: datetime, limit: int) -> list[Card]:
    rows = await connection.fetch(QUERIES[query], scope.hub, scope.councils, since, limit)
    return [Card.of(row) for row in rows]


async def _names(connection: Connection, silences: Sequence[Silence]) -> Mapping[str, str]:
    wanted = {silence.council_id for silence in silences}
    if not wanted:
        return {}
    return {row["council_id"]: row["name"] for row in await connection.fetch(QUERIES["council_names"], list(wanted))}
