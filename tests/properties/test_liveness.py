"""Silence: nobody is called silent while we are blind, everybody who falls silent is noticed, whoever is heard is left alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from services.ingest.domain.liveness import CHANCES, Lapse, Thresholds, Verdict, Watched, judge, silent_at, state_of

START = datetime(2026, 11, 1, tzinfo=UTC)
PASS_EVERY = timedelta(seconds=2)

seconds = st.integers(0, 6 * 3600)
intervals = st.integers(1, 600)
thresholds = st.builds(
    lambda interval, missed, more: Thresholds(
        timedelta(seconds=interval), missed, timedelta(seconds=interval * missed + more)
    ),
    intervals,
    st.integers(1, 10),
    st.integers(0, 1200),
)
ended_lapses = st.lists(
    st.builds(lambda at, lasts: Lapse(_at(at), _at(at + lasts)), seconds, st.integers(0, 3600)), max_size=4
)


def _at(offset: float) -> datetime:
    return START + timedelta(seconds=offset)


def watched(heard_at: datetime | None, device_id: str = "TC-1") -> Watched:
    return Watched(device_id=device_id, watched_since=START, heard_at=heard_at)


def after(device: Watched, verdict: Verdict, now: datetime) -> Watched:
    """As the database has it once the verdict is stored."""
    return replace(
        device,
        silent=verdict.silent,
        judged_at=now,
        returned_at=verdict.returned_at,
        silences=verdict.silences,
        first_silence_at=verdict.first_silence_at,
    )


@given(thresholds, ended_lapses, seconds, seconds, st.integers(0, 60))
def test_nobody_is_called_silent_while_we_are_blind(
    expected: Thresholds, before: Sequence[Lapse], heard: int, blind_since: int, flaps: int
) -> None:
    device = replace(watched(_at(heard)), silences=flaps, first_silence_at=_at(0) if flaps else None)
    lapses = [*before, Lapse(_at(blind_since), None)]
    assert judge(device, expected, lapses, _at(10**7)) is None


@given(thresholds, ended_lapses, st.one_of(st.none(), seconds), st.text(min_size=1, max_size=8))
def test_every_silent_device_is_noticed_in_the_end_and_once(
    expected: Thresholds, lapses: Sequence[Lapse], heard: int | None, device_id: str
) -> None:
    device = watched(None if heard is None else _at(heard), device_id)
    due_at = silent_at(device, expected, lapses)
    assert due_at is not None
    latest = max([device.counts_from, *(each.ended_at for each in lapses if each.ended_at is not None)])
    assert due_at <= latest + expected.silent_after + 2 * expected.interval + timedelta(seconds=5)
    verdict = judge(device, expected, lapses, due_at)
    assert verdict is not None
    assert verdict.silent
    assert judge(after(device, verdict, due_at), expected, lapses, due_at + timedelta(days=400)) is None


@given(thresholds, st.integers(1, 60), st.integers(1, 1300), st.integers(0, 900), st.text(min_size=1, max_size=8))
def test_lapses_that_recur_for_ever_hide_nobody_for_ever(
    expected: Thresholds, lasts: int, apart: int, first: int, device_id: str
) -> None:
    """Six seconds in each of its intervals put a verdict off for as long as they went on."""
    listened = expected.silent_after + CHANCES * (2 * expected.interval + timedelta(seconds=5))
    number = int(listened / timedelta(seconds=apart)) + 2
    starts = [first + each * (apart + lasts) for each in range(number)]
    lapses = [Lapse(_at(start), _at(start + lasts)) for start in starts]
    due_at = silent_at(watched(_at(0), device_id), expected, lapses)
    assert due_at is not None
    deaf = sum(
        (max(min(due_at, each.ended_at) - each.started_at, timedelta()) for each in lapses if each.ended_at),
        timedelta(),
    )
    assert due_at - _at(0) - deaf <= listened


@given(thresholds, ended_lapses, seconds, st.floats(0, 1))
def test_whoever_was_heard_within_its_time_is_never_called_silent(
    expected: Thresholds, lapses: Sequence[Lapse], heard: int, share: float
) -> None:
    now = _at(heard) + expected.silent_after * share
    assume(now < _at(heard) + expected.silent_after)
    assert judge(watched(_at(heard)), expected, lapses, now) is None


@given(thresholds, ended_lapses, seconds, st.integers(0, 7200))
def test_time_in_which_we_could_not_hear_never_makes_a_verdict_sooner(
    expected: Thresholds, lapses: Sequence[Lapse], start: int, lasts: int
) -> None:
    device, more = watched(_at(0)), Lapse(_at(start), _at(start + lasts))
    without, with_it = silent_at(device, expected, lapses), silent_at(device, expected, [*lapses, more])
    assert without is not None
    assert with_it is not None
    assert with_it >= without


@given(thresholds, st.integers(1, 7200), st.integers(0, 3600))
def test_after_a_blindness_each_device_has_an_interval_of_its_own(
    expected: Thresholds, lasts: int, before_it: int
) -> None:
    """However long it had not been heard when the blindness began; but for so long that it must have been found before."""
    assume(timedelta(seconds=before_it) < expected.silent_after + (CHANCES - 1) * expected.interval)
    lapse = Lapse(_at(before_it), _at(before_it + lasts))
    fair_until = _at(before_it + lasts) + expected.interval
    assert judge(watched(_at(0)), expected, [lapse], fair_until) is None


@given(thresholds, st.lists(st.integers(1, 7200), min_size=4, max_size=12))
def test_a_device_that_comes_and_goes_raises_one_alarm_that_stays_until_it_is_stable(
    expected: Thresholds, absences: Sequence[int]
) -> None:
    """From its third silence in a day on; and once it has been heard long enough, it is over."""
    device, now, begun, ended = watched(_at(0)), _at(0), 0, 0
    for absence in absences:
        gone_until = now + expected.silent_after + timedelta(seconds=absence)
        verdict = judge(device, expected, (), gone_until)
        if verdict is not None and verdict.silent and not device.silent:
            begun += 1
        device = device if verdict is None else after(device, verdict, gone_until)
        now = gone_until + timedelta(seconds=1)
        device = replace(device, heard_at=now)
        verdict = judge(device, expected, (), now)
        ended += verdict is not None and not verdict.silent
        device = device if verdict is None else after(device, verdict, now)
        assume(now - _at(0) < timedelta(days=1))
    assert begun == 3
    assert ended == 2
    while now < device.counts_from + expected.stable_after + expected.interval and device.silent:
        now += expected.interval
        device = replace(device, heard_at=now)
        verdict = judge(device, expected, (), now)
        device = device if verdict is None else after(device, verdict, now)
        if device.returned_at is not None and now - device.returned_at >= expected.stable_after:
            break
    assert not device.silent


@given(st.lists(st.tuples(st.integers(1, 30 * 3600), st.integers(1, 10 * 3600)), min_size=3, max_size=12))
def test_three_silences_of_any_day_are_flapping_wherever_the_day_begins(times: Sequence[tuple[int, int]]) -> None:
    """And of three, the first was over at most a day ago: longer ago it is no longer held against the device."""
    expected, day = Thresholds(timedelta(seconds=60), 3, timedelta(seconds=600)), timedelta(days=1)
    device, now = watched(_at(0)), _at(0)
    begun, over = list[datetime](), list[datetime]()
    for heard_for, more in times:
        now += timedelta(seconds=heard_for)
        device = replace(device, heard_at=now)
        begun.append(now + expected.silent_after)
        verdict = judge(device, expected, (), begun[-1])
        assert verdict is not None
        if verdict.flapping:
            assert begun[-1] - over[-2] <= day
            return
        assert len(begun) < 3 or begun[-1] - begun[-3] > day
        device = after(device, verdict, begun[-1])
        now = begun[-1] + timedelta(seconds=more)
        over.append(now)
        device = replace(device, heard_at=now)
        verdict = judge(device, expected, (), now)
        assert verdict is not None
        device = after(device, verdict, now)


def test_three_silences_of_which_a_day_ends_between_the_first_two_are_flapping() -> None:
    """The first of four was 25 hours ago; the last three are of one day."""
    expected = Thresholds(timedelta(seconds=60), 3, timedelta(seconds=600))
    device, flapping = watched(_at(0)), list[bool]()
    for hour in (0, 23, 25, 27):
        gone_at = _at(hour * 3600)
        verdict = judge(replace(device, heard_at=gone_at), expected, (), gone_at + expected.silent_after)
        assert verdict is not None
        flapping.append(verdict.flapping)
        back_at = gone_at + expected.silent_after + timedelta(minutes=1)
        device = replace(after(device, verdict, back_at - timedelta(seconds=1)), heard_at=back_at)
        verdict = judge(device, expected, (), back_at)
        device = device if verdict is None else after(device, verdict, back_at)
    assert flapping == [False, False, False, True]


def test_it_is_late_before_it_is_silent_and_says_when_it_flaps() -> None:
    expected = Thresholds(timedelta(seconds=60), 3, timedelta(seconds=600))
    device = watched(_at(0))
    assert [state_of(device, expected, _at(after_s)) for after_s in (0, 185, 186, 10_000)] == [
        "heard",
        "heard",
        "late",
        "late",
    ]
    assert state_of(replace(device, silent=True, silences=1), expected, _at(10_000)) == "silent"
    assert state_of(replace(device, silent=True, silences=3), expected, _at(10_000)) == "flapping"


def test_never_heard_counts_from_its_installation() -> None:
    expected = Thresholds(timedelta(seconds=60), 3, timedelta(seconds=600))
    device = replace(watched(None), watched_since=_at(1000))
    assert judge(device, expected, (), _at(1599)) is None
    assert judge(device, expected, (), _at(1600)) is not None
    assert (
        judge(replace(device, heard_at=_at(5)), expected, (), _at(1599)) is None
    )  # what it said on the bench is no home's
