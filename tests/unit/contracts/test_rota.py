"""Who is on duty when: by the clock on the wall in Europe/London, over midnight and through both changes of clocks."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.rota import HOURS_MAX, LONDON, Rota, on_duty

ROTA: TypeAdapter[Rota] = TypeAdapter(Rota)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def rota(*hours: str) -> Rota:
    """`"sat sun 22:00-06:00"` for each."""
    parsed = [each.rsplit(" ", 1) for each in hours]
    return ROTA.validate_python(
        [
            {"days": EVERY_DAY if days == "all" else days.split(), "from": span[:5], "until": span[6:]}
            for days, span in parsed
        ]
    )


def at(utc: str) -> datetime:
    return datetime.fromisoformat(f"{utc}+00:00")


def test_without_a_rota_one_is_always_on_duty() -> None:
    assert on_duty((), at("2026-11-22T03:00"))


# 23 November 2026 is a Monday, in winter: the wall shows UTC.
@pytest.mark.parametrize(
    ("hours", "utc", "on"),
    [
        ("mon 09:00-17:00", "2026-11-23T08:59:59", False),
        ("mon 09:00-17:00", "2026-11-23T09:00:00", True),
        ("mon 09:00-17:00", "2026-11-23T16:59:59", True),
        ("mon 09:00-17:00", "2026-11-23T17:00:00", False),
        ("mon 09:00-17:00", "2026-11-24T12:00:00", False),
        ("mon 22:00-06:00", "2026-11-23T21:59:59", False),
        ("mon 22:00-06:00", "2026-11-23T23:59:59", True),
        ("mon 22:00-06:00", "2026-11-24T00:00:00", True),
        ("mon 22:00-06:00", "2026-11-24T05:59:59", True),
        ("mon 22:00-06:00", "2026-11-24T06:00:00", False),
        ("mon 22:00-06:00", "2026-11-23T05:00:00", False),  # that is Sunday's night
        ("sun 22:00-06:00", "2026-11-23T05:00:00", True),
        ("mon 00:00-00:00", "2026-11-23T00:00:00", True),
        ("mon 00:00-00:00", "2026-11-23T23:59:59", True),
        ("mon 00:00-00:00", "2026-11-24T00:00:00", False),
        ("mon 08:00-08:00", "2026-11-24T07:59:59", True),
    ],
)
def test_a_shift_begins_and_ends_on_the_second_over_midnight_too(hours: str, utc: str, on: bool) -> None:
    assert on_duty(rota(hours), at(utc)) is on


@pytest.mark.parametrize(
    ("hours", "utc", "on"),
    [
        # Summer: the wall is an hour ahead.
        ("all 09:00-17:00", "2026-07-01T08:00", True),
        ("all 09:00-17:00", "2026-07-01T16:00", False),
        # 29 March 2026, 01:00 UTC: from 01:00 the wall jumps to 02:00. A night from 22 to 6 is seven hours long.
        ("sat 22:00-06:00", "2026-03-28T21:59", False),
        ("sat 22:00-06:00", "2026-03-28T22:00", True),
        ("sat 22:00-06:00", "2026-03-29T04:59", True),
        ("sat 22:00-06:00", "2026-03-29T05:00", False),
        # A time that is passed over begins and ends a shift at the jump: nobody is missed, and nobody kept.
        ("sat 22:00-01:30", "2026-03-29T00:59", True),
        ("sat 22:00-01:30", "2026-03-29T01:00", False),
        ("sun 01:30-06:00", "2026-03-29T00:59", False),
        ("sun 01:30-06:00", "2026-03-29T01:00", True),
        ("sun 01:15-01:45", "2026-03-29T01:00", False),
        # 25 October 2026, 01:00 UTC: at 02:00 the wall goes back to 01:00. The night is nine hours long.
        ("sat 22:00-06:00", "2026-10-24T21:00", True),
        ("sat 22:00-06:00", "2026-10-25T05:59", True),
        ("sat 22:00-06:00", "2026-10-25T06:00", False),
        # 01:30 comes twice: a shift begins at the first and ends at the second.
        ("sun 01:30-06:00", "2026-10-25T00:29", False),
        ("sun 01:30-06:00", "2026-10-25T00:30", True),
        ("sat 22:00-01:30", "2026-10-25T01:29", True),
        ("sat 22:00-01:30", "2026-10-25T01:30", False),
    ],
)
def test_a_rota_follows_the_clock_on_the_wall_through_both_changes(hours: str, utc: str, on: bool) -> None:
    assert on_duty(rota(hours), at(utc)) is on


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
# The days round both changes of 2026, to the minute.
instants = st.tuples(
    st.sampled_from([at("2026-03-28T00:00"), at("2026-10-24T00:00")]), st.integers(0, 3 * 24 * 60)
).map(lambda pair: pair[0] + timedelta(minutes=pair[1]))


@given(minutes, minutes, instants)
def test_two_who_relieve_each_other_never_leave_a_gap(first: str, second: str, now: datetime) -> None:
    assert on_duty(rota(f"all {first}-{second}", f"all {second}-{first}"), now)


@given(minutes, minutes, instants)
def test_whoever_the_wall_says_is_on_duty_is(begins: str, ends: str, now: datetime) -> None:
    wall = f"{now.astimezone(LONDON):%H:%M}"
    within = begins <= wall < ends if begins < ends else wall >= begins or wall < ends
    if within:
        assert on_duty(rota(f"all {begins}-{ends}"), now)


@given(minutes, minutes, instants)
def test_it_is_the_instant_that_counts_and_not_the_zone_it_is_told_in(begins: str, ends: str, now: datetime) -> None:
    elsewhere = now.astimezone(timezone(timedelta(hours=9, minutes=30)))
    hours = rota(f"all {begins}-{ends}")
    assert on_duty(hours, now) == on_duty(hours, elsewhere)


@pytest.mark.parametrize(
    "hours",
    [
        {"days": [], "from": "09:00", "until": "17:00"},
        {"days": ["mon", "mon"], "from": "09:00", "until": "17:00"},
        {"days": ["monday"], "from": "09:00", "until": "17:00"},
        {"days": ["mon"], "from": "24:00", "until": "17:00"},
        {"days": ["mon"], "from": "9:00", "until": "17:00"},
        {"days": ["mon"], "from": "09:00\n", "until": "17:00"},
        {"days": ["mon"], "from": "09:00"},
        {"days": ["mon"], "from": "09:00", "until": "17:00", "zone": "UTC"},
    ],
)
def test_hours_that_make_no_sense_are_refused(hours: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ROTA.validate_python([hours])


def test_a_rota_has_an_end_and_is_written_as_it_was_read() -> None:
    written = [{"days": ["sat"], "from": "22:00", "until": "06:00"}]
    assert ROTA.dump_python(ROTA.validate_python(written), mode="json", by_alias=True) == written
    with pytest.raises(ValidationError):
        ROTA.validate_python(written * (HOURS_MAX + 1))
