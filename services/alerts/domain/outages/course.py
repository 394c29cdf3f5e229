"""The life of one outage: opened, told again when it is another than people were told, and closed when nearly all are back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from services.alerts.domain.outages.census import Trait

UPDATE_EVERY_MIN: Final = timedelta(seconds=60)
CHANGED_MIN: Final = 0.10
OVER_BELOW: Final = 0.10
"""Of its peak: fewer than that are affected."""
OVER_BELOW_DEVICES: Final = 3
OVER_FOR: Final = timedelta(seconds=60)

News: TypeAlias = Literal["outage.opened", "outage.updated", "outage.closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where an outage stands. `low_since`: since when nearly all are back; `told_*`: what people were told last, and when.

    `flapping_now`: how many of `members_now` flap. They are its members, and told of as such; but they go and come of themselves,
    before it, in it and after it, and say nothing of whether it is over. `peak`: the most that were affected at once, but for them.
    """

    trait: Trait
    members_now: int
    peak: int
    flapping_now: int = 0
    low_since: datetime | None = None
    closed_at: datetime | None = None
    told_at: datetime | None = None
    told_members: int = 0
    told_trait: Trait | None = None


def run(
    course: Course, now: datetime, *, held_back: bool = False, reaches_more: bool = False
) -> tuple[Course, News | None]:
    """How it stands now, and what there is to tell of it. A closed one has no more to tell.

    `held_back`: it may be part of a wider one that is only beginning, so nobody is told that it is one by itself.
    `reaches_more`: it has members of a council whose hubs were not told of it, however few those are.
    """
    if course.closed_at is not None:
        return course, None
    steady = course.members_now - course.flapping_now
    peak = max(course.peak, steady)
    nearly_over = steady < OVER_BELOW_DEVICES or steady < OVER_BELOW * peak
    low_since = min(course.low_since or now, now) if nearly_over else None
    stands = replace(course, peak=peak, low_since=low_since)
    if low_since is not None and now - low_since >= OVER_FOR:
        closed = replace(stands, closed_at=now)
        return (closed, None) if course.told_at is None else (_told(closed, now), "outage.closed")
    if course.told_at is None:
        return (stands, None) if held_back else (_told(stands, now), "outage.opened")
    lately = timedelta(0) <= now - course.told_at < UPDATE_EVERY_MIN  # not so when the clock was put back
    if not lately and (reaches_more or _differs(stands)):
        return _told(stands, now), "outage.updated"
    return stands, None


def _told(course: Course, now: datetime) -> Course:
    return replace(course, told_at=now, told_members=course.members_now, told_trait=course.trait)


def _differs(course: Course) -> bool:
    """From what people were told: in its name, or by a tenth of its members."""
    change = abs(course.members_now - course.told_members)
    return course.trait != course.told_trait or change >= max(CHANGED_MIN * course.told_members, 1)
