"""Outages in the database. Every function acts inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID, uuid4

from contracts.condition import Condition
from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.course import Course, Ending, may_have_stalled
from services.alerts.domain.outages.find import WINDOW, Finding
from services.alerts.outages.sql import QUERIES
from services.chassis.postgres import Connection

if TYPE_CHECKING:
    from asyncpg import Record

MOVED_AT_ONCE_MAX: Final = 5_000
"""Members that join or leave in one transaction: a second or two at the worst, of the ten that a statement has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A row of `alerts.outage`."""

    outage_id: UUID
    condition: Condition
    trait: Trait
    opened_at: datetime
    began_at: datetime
    closed_at: datetime | None
    merged_into: UUID | None
    members: int
    members_now: int
    peak: int
    councils: tuple[str, ...]
    log_p: float
    log_ratio: float
    low_since: datetime | None
    told_at: datetime | None
    told_members: int
    told_trait: Trait | None
    mark: int | None
    moved_at: datetime | None
    called_at: datetime | None
    closed_as: Ending | None
    left_behind: int | None

    @property
    def course(self) -> Course:
        return Course(
            trait=self.trait,
            members_now=self.members_now,
            peak=self.peak,
            low_since=self.low_since,
            closed_at=self.closed_at,
            told_at=self.told_at,
            told_members=self.told_members,
            told_trait=self.told_trait,
            opened_at=self.opened_at,
            mark=self.mark,
            moved_at=self.moved_at,
            called_at=self.called_at,
            closed_as=self.closed_as,
            left_behind=self.left_behind,
        )


def outage_of(row: Record) -> Outage:
    """The outage in a row."""
    told = row["told_attribute"]
    return Outage(
        outage_id=row["outage_id"],
        condition=row["condition"],
        trait=Trait(row["attribute"], row["value"]),
        opened_at=row["opened_at"],
        began_at=row["began_at"],
        closed_at=row["closed_at"],
        merged_into=row["merged_into"],
        members=row["members"],
        members_now=row["members_now"],
        peak=row["peak"],
        councils=tuple(row["councils"]),
        log_p=row["log_p"],
        log_ratio=row["log_ratio"],
        low_since=row["low_since"],
        told_at=row["told_at"],
        told_members=row["told_members"],
        told_trait=None if told is None else Trait(told, row["told_value"]),
        mark=row["mark"],
        moved_at=row["moved_at"],
        called_at=row["called_at"],
        closed_as=row["closed_as"],
        left_behind=row["left_behind"],
    )


class Members(NamedTuple):
    """How many are affected, and how many of those flap."""

    now: int
    flapping: int


async def open_outages(connection: Connection, condition: Condition) -> Sequence[tuple[Outage, Members]]:
    """Oldest first, each with how many of its members are affected now."""
    rows = await connection.fetch(QUERIES["open_outages"], condition)
    return [(outage_of(row), Members(row["counted"], row["flapping"])) for row in rows]


async def begin(connection: Connection, condition: Condition, finding: Finding, now: datetime) -> UUID | None:
    """A new one, without members yet; None when another process was first."""
    begun: UUID | None = await connection.fetchval(
        QUERIES["begin_outage"],
        *(uuid4(), condition, finding.trait.attribute, finding.trait.value, now),
        *(finding.log_p, finding.log_ratio),
    )
    return begun


async def join(connection: Connection, outage_id: UUID, now: datetime) -> int:
    """Make the loose ones with its trait its members, up to `MOVED_AT_ONCE_MAX`. Returns how many."""
    joined: int = await connection.fetchval(QUERIES["join_outage"], outage_id, now - WINDOW, now, MOVED_AT_ONCE_MAX)
    return joined


async def rename(connection: Connection, outage_id: UUID, finding: Finding) -> None:
    """It has another name; members without that trait are to be sorted out."""
    trait = finding.trait
    await connection.execute(
        QUERIES["rename_outage"], outage_id, trait.attribute, trait.value, finding.log_p, finding.log_ratio
    )


async def merge(connection: Connection, outage_id: UUID, into: UUID, now: datetime) -> Outage | None:
    """One is part of another, and closed as such; its members are to be sorted out. None when it was closed already."""
    row = await connection.fetchrow(QUERIES["merged"], outage_id, into, now)
    return None if row is None else outage_of(row)


async def sort_out(connection: Connection, condition: Condition, now: datetime) -> bool:
    """Of an outage that was renamed, merged or closed, some members that are not its own any more leave it.

    Returns whether there may be more to do at once.
    """
    outage_id = await connection.fetchval(QUERIES["unsorted"], condition)
    if outage_id is None:
        return False
    left = await connection.fetchval(QUERIES["sort_out"], outage_id, now, MOVED_AT_ONCE_MAX)
    if left == MOVED_AT_ONCE_MAX:
        return True
    # Those that somebody holds are left for the next look.
    return await connection.fetchval(QUERIES["sorted_out"], outage_id) is not None


async def stands(connection: Connection, outage_id: UUID, course: Course) -> None:
    """Write how it stands; of one that is closed all members are to be sorted out."""
    told = course.told_trait or (None, None)
    await connection.execute(
        QUERIES["stands"],
        *(outage_id, course.members_now, course.peak, course.low_since, course.closed_at),
        *(course.told_at, course.told_members, *told),
        *(course.mark, course.moved_at, course.called_at, course.closed_as, course.left_behind),
    )


async def deaf_for(connection: Connection, course: Course, now: datetime) -> timedelta:
    """For how long somebody could not be heard since its number moved last; looked for only where it may matter."""
    if not may_have_stalled(course, now):
        return timedelta(0)
    deaf: timedelta = await connection.fetchval(QUERIES["deaf_for"], course.moved_at, now)
    return deaf


async def counted(connection: Connection, outage_id: UUID) -> Outage:
    """With what is only counted when people are told."""
    row = await connection.fetchrow(QUERIES["counted"], outage_id)
    if row is None:
        raise AssertionError("outages are never deleted")
    return outage_of(row)
