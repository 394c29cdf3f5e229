"""The life of one outage: opened, told again when it is another than people were told, and closed when nearly all are back.

Of those who do not return a person is called: by one alarm with their list while they are many, each by himself when they are few.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.find import DEVICES_MIN

UPDATE_EVERY_MIN: Final = timedelta(seconds=60)
CHANGED_MIN: Final = 0.10
OVER_BELOW: Final = 0.10
"""Of its peak: fewer than that are affected."""
OVER_BELOW_DEVICES: Final = 3
OVER_FOR: Final = timedelta(seconds=60)
SINGLES_MAX: Final = 25
"""Whoever is left is told of by himself only if they are no more: a desk of two asks after so many within an hour."""
STALLED_FOR: Final = timedelta(hours=6)
"""Of time in which we could hear, and their number was the same but for a tenth. Longer than the longest interval at which models
report (four hours), so that whoever is connected again was heard; shorter than a shift."""
LINGERING_FOR: Final = timedelta(minutes=15)
"""Likewise, once nearly all are back: most models report each quarter of an hour, so whoever is not there by then is remarkable."""
STALLED_BELOW: Final = 0.5
"""Of its peak, at most: most have returned."""
CALLED_EVERY_MAX: Final = timedelta(hours=24)
"""However it goes on: who trickles back holds nothing up. By the clock: somebody is on duty whether we hear or not."""
PAGED_AGAIN_AFTER: Final = timedelta(hours=1)
"""So long after people were called for all who are left, nobody is called for one of them; nor for all after it was opened."""

News: TypeAlias = Literal["outage.opened", "outage.updated", "outage.closed"]
Ending: TypeAlias = Literal["returned", "stalled", "merged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where an outage stands. `low_since`: since when nearly all are back; `told_*`: what people were told last, and when.

    `flapping_now`: how many of `members_now` flap. They are its members, and told of as such; but they go and come of themselves,
    before it, in it and after it, and say nothing of whether it is over. `peak`: the most that were affected at once, but for them.
    `mark`: how many were affected when that last changed by a tenth, but for them, and `moved_at` when. `called_at`: when a person
    was last called for those who are left. `left_behind`: who was affected still when it was closed.
    """

    trait: Trait
    members_now: int
    peak: int
    opened_at: datetime
    flapping_now: int = 0
    low_since: datetime | None = None
    mark: int | None = None
    moved_at: datetime | None = None
    called_at: datetime | None = None
    closed_at: datetime | None = None
    closed_as: Ending | None = None
    left_behind: int | None = None
    told_at: datetime | None = None
    told_members: int = 0
    told_trait: Trait | None = None


@dataclass(frozen=True, slots=True)
class Waited:
    """What says whether an outage has stalled.

    `explains`: whether its trait has the share still, by which more would join; None: not known. `deaf_for`: for how long we could
    not hear since `moved_at`, so that nobody could come back.
    """

    explains: bool | None = None
    deaf_for: timedelta = timedelta(0)


def is_halved(members: int, peak: int) -> bool:
    """Whether most have returned."""
    return members <= STALLED_BELOW * peak


def run(
    course: Course,
    now: datetime,
    *,
    held_back: bool = False,
    reaches_more: bool = False,
    waited: Waited = Waited(),  # it is frozen
) -> tuple[Course, News | None]:
    """How it stands now, and what there is to tell of it. A closed one has no more to tell.

    `held_back`: it may be part of a wider one that is only beginning, so nobody is told that it is one by itself.
    `reaches_more`: it has members of a council whose hubs were not told of it, however few those are.
    Is `called_at` another than before, a person is to be called for those who are left.
    """
    if course.closed_at is not None:
        return course, None
    steady = course.members_now - course.flapping_now
    peak = max(course.peak, steady)
    nearly_over = steady < OVER_BELOW_DEVICES or steady < OVER_BELOW * peak
    low_since = min(course.low_since or now, now) if nearly_over else None
    stands = _moved(replace(course, peak=peak, low_since=low_since), steady, now)
    how = _ended(stands, steady, waited, now)
    if how is not None:
        closed = replace(stands, closed_at=now, closed_as=how, left_behind=course.members_now)
        return (closed, None) if course.told_at is None else (_told(closed, now), "outage.closed")
    if course.told_at is None:
        return (stands, None) if held_back else (_told(stands, now), "outage.opened")
    if _calls(stands, steady, waited, now):
        stands = replace(stands, called_at=now)
    lately = timedelta(0) <= now - course.told_at < UPDATE_EVERY_MIN  # not so when the clock was put back
    if not lately and (reaches_more or _differs(stands)):
        return _told(stands, now), "outage.updated"
    return stands, None


def _moved(course: Course, steady: int, now: datetime) -> Course:
    """By a tenth, up or down: one that goes while another comes is no change. The clock may have been put back."""
    called_at = None if course.called_at is None else min(course.called_at, now)
    if course.mark is None or course.moved_at is None or _is_another(steady, course.mark):
        return replace(course, mark=steady, moved_at=now, called_at=called_at)
    return replace(course, moved_at=min(course.moved_at, now), called_at=called_at)


def _is_another(number: int, than: int) -> bool:
    return number != than and abs(number - than) >= CHANGED_MIN * than


def _ended(course: Course, steady: int, waited: Waited, now: datetime) -> Ending | None:
    """Whether it is over, and how. Never while those who are left would be a flood of alarms, or were called for just now."""
    if course.members_now > SINGLES_MAX:
        return None
    lately = course.called_at is not None and now - course.called_at < PAGED_AGAIN_AFTER
    if lately and course.members_now:
        return None
    if course.low_since is not None and now - course.low_since >= OVER_FOR:
        return "returned"
    return "stalled" if _few(course, steady, waited) and _still_for(course, waited, now) >= STALLED_FOR else None


def _few(course: Course, steady: int, waited: Waited) -> bool | None:
    """Whether those who are left would make no outage: they would not be found again as soon as it is closed. None: not known."""
    if steady < DEVICES_MIN:
        return True
    if not is_halved(steady, course.peak):
        return False
    return None if waited.explains is None else not waited.explains


def may_have_stalled(course: Course, now: datetime) -> bool:
    """Whether it matters for how long we could not hear: that is asked of the database."""
    still = now - (course.moved_at or now)
    if course.low_since is not None and not _called_since_it_moved(course, now):
        return still >= LINGERING_FOR
    steady = course.members_now - course.flapping_now
    may_end = course.members_now <= SINGLES_MAX and (steady < DEVICES_MIN or is_halved(steady, course.peak))
    return still >= STALLED_FOR and (may_end or not _called_since_it_moved(course, now))


def _still_for(course: Course, waited: Waited, now: datetime) -> timedelta:
    return now - (course.moved_at or now) - waited.deaf_for


def _called_since_it_moved(course: Course, now: datetime) -> bool:
    return course.called_at is not None and course.called_at >= (course.moved_at or now)


def _calls(course: Course, steady: int, waited: Waited, now: datetime) -> bool:
    """Whether a person is to be called for those who are left: nobody moves any more, or it is long since."""
    if not course.members_now:
        return False
    few = course.members_now <= SINGLES_MAX
    if few and course.low_since is not None:
        return False  # it will be over in a minute, and each told of
    told_of = course.called_at or course.opened_at  # its opening was told with the list of all
    if now - told_of >= CALLED_EVERY_MAX:
        return True
    if few and _few(course, steady, waited) is None:
        return False  # it may be over the next second, when it is known what explains
    if now - told_of < PAGED_AGAIN_AFTER:
        return False
    patience = STALLED_FOR if course.low_since is None else LINGERING_FOR
    return not _called_since_it_moved(course, now) and _still_for(course, waited, now) >= patience


def _told(course: Course, now: datetime) -> Course:
    return replace(course, told_at=now, told_members=course.members_now, told_trait=course.trait)


def _differs(course: Course) -> bool:
    """From what people were told: in its name, or by a tenth of its members."""
    change = abs(course.members_now - course.told_members)
    return course.trait != course.told_trait or change >= max(CHANGED_MIN * course.told_members, 1)
