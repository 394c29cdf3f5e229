"""Which values are counted each: those that are badly heard, for as long as they are, and a little longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.alerts.domain import degraded
from services.ingest.domain import naming
from services.ingest.domain.naming import KEPT, NAMES_MAX, Look, Name, Rough, named_anew, values

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MAST = Name("cell", "234-10-7")


def test_the_bounds_are_those_of_whoever_judges() -> None:
    """Neither service reads the other's code. What alerts would tell must be named, and stay so until it is over there."""
    assert naming.LOW == degraded.LOW
    assert naming.WELL == degraded.WELL
    assert naming.DEVICES_MIN == degraded.DEVICES_MIN
    assert naming.KEPT >= 2 * degraded.STALE_AFTER  # long enough to be seen to be well


@pytest.mark.parametrize(
    ("rough", "is_named"),
    [
        (Rough(60, 40), True),
        (Rough(20, 15), True),
        (Rough(20, 16), False),
        (Rough(19, 0), False),
        (Rough(60, 60), False),
    ],
)
def test_what_is_low_is_named_and_what_few_devices_share_is_not(rough: Rough, is_named: bool) -> None:
    assert (MAST in named_anew({}, {MAST: rough}, NOON)) is is_named


def test_the_pages_of_a_look_are_added_up() -> None:
    look = Look()
    for missing in (0, 20):
        look.add_due(MAST, 30)
        look.add_missing(MAST, missing)
    look.add_due(Name("network", MAST.value), 5)
    assert look.seen() == {MAST: Rough(60, 40)}


def test_who_is_missing_is_judged_by_how_many_there_were_some_minutes_ago() -> None:
    before = Look({MAST: 60})
    before.add_missing(MAST, 3)
    look = Look(before.due)
    look.add_missing(MAST, 20)
    look.add_missing(Name("cell", "a new one"), 25)
    assert look.seen() == {MAST: Rough(60, 40), Name("cell", "a new one"): Rough(25, 0)}


def test_named_it_stays_until_it_has_been_well_for_some_minutes() -> None:
    names = named_anew({}, {MAST: Rough(60, 40)}, NOON)
    later = NOON + timedelta(hours=1)
    names = named_anew(names, {MAST: Rough(60, 52)}, later)  # neither low nor well
    assert names == {MAST: later}
    names = named_anew(names, {MAST: Rough(60, 60)}, later + KEPT - timedelta(seconds=1))
    assert names == {MAST: later}
    assert named_anew(names, {MAST: Rough(60, 60)}, later + KEPT) == {}
    assert named_anew(names, {}, later + KEPT) == {}  # nobody has it any more


def test_a_clock_that_is_put_back_keeps_no_name_for_ever() -> None:
    names = named_anew({MAST: NOON + timedelta(hours=9)}, {MAST: Rough(60, 60)}, NOON)
    assert named_anew(names, {MAST: Rough(60, 60)}, NOON + KEPT) == {}


def test_of_too_many_those_are_counted_that_miss_most_and_none_is_driven_out_while_it_is_low() -> None:
    names = named_anew({}, {MAST: Rough(20, 15)}, NOON)
    many = {Name("cell", f"{n:03}"): Rough(100 + n, 10) for n in range(2 * NAMES_MAX)}
    names = named_anew(names, many | {MAST: Rough(20, 15)}, NOON)
    assert set(values(names, "cell")) == {MAST.value} | {f"{n:03}" for n in range(NAMES_MAX + 1, 2 * NAMES_MAX)}
    names = named_anew(names, many | {MAST: Rough(20, 20)}, NOON + timedelta(seconds=60))
    assert MAST not in names
    assert len(names) == NAMES_MAX
