"""Lists: `{"items":[…],"next":null|cursor}`, `?limit=` ≤ 500 (default 100) `&cursor=`, newest first (contract, "HTTP").

A cursor is the key of the last item seen, so that a list which grows meanwhile neither repeats nor skips an item.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeAlias, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from services.chassis.http.problems import Problem, invalid

LIMIT_MAX = 500
LIMIT_DEFAULT = 100

Item = TypeVar("Item")

Limit: TypeAlias = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many items at most.")]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=512, description="`next` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` asks for the following one, and is null at the end."""

    items: list[Item]
    next: str | None


@dataclass(frozen=True, slots=True)
class Paging:
    """What the caller asked for. SQL: `where ($1::timestamptz is null or (at, id) < ($1, $2)) … limit $3`.

    Of a list without times (`ById`) `after_at` is always None, and the order is that of the ids.
    """

    limit: int
    after_at: datetime | None = None
    after_id: str | None = None

    @property
    def fetch(self) -> int:
        """How many rows to fetch: one more than asked for tells whether there is a next page."""
        return self.limit + 1

    def page(self, rows: Sequence[Item], key: Callable[[Item], tuple[datetime | None, str]]) -> Page[Item]:
        """The page from up to `fetch` items in order, each found again by its `key` of time and id."""
        shown = list(rows[: self.limit])
        following = _encode(*key(shown[-1])) if len(rows) > self.limit else None
        return Page(items=shown, next=following)


def _encode(at: datetime | None, id_: str) -> str:
    text = json.dumps([at.isoformat() if at else None, id_], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime | None, str]:
    try:
        at, id_ = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        time = None if at is None else datetime.fromisoformat(at)
    except (ValueError, TypeError):
        raise _bad_cursor() from None
    # A NUL is no id of ours, and PostgreSQL would refuse it; a time without offset no time of ours.
    if not isinstance(id_, str) or "\0" in id_ or (time is not None and time.tzinfo is None):
        raise _bad_cursor()
    return time, id_


def _bad_cursor() -> Problem:
    return invalid(("cursor", "not a cursor of this list; start again without one"))


async def _newest_first(limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> Paging:
    if cursor is None:
        return Paging(limit)
    at, id_ = _decode(cursor)
    if at is None:
        raise _bad_cursor()
    return Paging(limit, at, id_)


async def _by_id(limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> Paging:
    if cursor is None:
        return Paging(limit)
    at, id_ = _decode(cursor)
    if at is not None:
        raise _bad_cursor()
    return Paging(limit, None, id_)


NewestFirst: TypeAlias = Annotated[Paging, Depends(_newest_first)]
"""The parameters of a list in order of time, newest first."""

ById: TypeAlias = Annotated[Paging, Depends(_by_id)]
"""The parameters of a list whose items have no time."""
