"""Whatever devices say of themselves: little is counted by name, what is badly heard is, and nobody is counted twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.counting import NOTHING, Count, Group, Named, Seen, Tally, groups, of_names
from services.ingest.domain.naming import ATTRIBUTES, KEPT, NAMES_MAX, Name, Names, Rough, named_anew

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
STEP = timedelta(minutes=1)

roughs = st.integers(0, 200).flatmap(lambda due: st.builds(Rough, st.just(due), st.integers(0, due)))
names = st.builds(Name, st.sampled_from(ATTRIBUTES), st.sampled_from("abcdef"))
looks = st.dictionaries(names, roughs, max_size=12)


@given(st.lists(looks, max_size=12), st.integers(0, 3))
def test_what_is_low_is_named_at_once_and_what_is_not_well_stays_and_nothing_does_for_ever(
    story: list[dict[Name, Rough]], extra: int
) -> None:
    known: Names = {}
    last_low: dict[Name, datetime] = {}
    now = NOON
    for look in story:
        now += STEP * (1 + extra)
        before, known = known, named_anew(known, look, now)
        assert {name for name, rough in look.items() if rough.low} <= known.keys()
        for name, rough in look.items():
            if rough.low or (name in before and not rough.well):
                last_low[name] = now
        assert known == {name: at for name, at in last_low.items() if now - at < KEPT}


@given(
    st.dictionaries(st.builds(Name, st.sampled_from(ATTRIBUTES), st.text(min_size=1, max_size=3)), roughs, max_size=200)
)
def test_never_more_than_so_many_are_named(look: dict[Name, Rough]) -> None:
    known = named_anew({}, look, NOON)
    for attribute in ATTRIBUTES:
        low = [name for name, rough in look.items() if name.attribute == attribute and rough.low]
        assert sum(name.attribute == attribute for name in known) == min(len(low), NAMES_MAX)


value = st.sampled_from(["", "a", "b"])
nameds = st.builds(Named, value, value, value, value)
counts = st.integers(0, 50).flatmap(
    lambda heard: st.builds(Count, st.integers(heard + 20, 99), st.just(heard), st.integers(0, 10), st.integers(0, 10))
)
seens = st.builds(Seen, st.sampled_from(["fife", "moray"]), st.integers(1, 3), st.sampled_from(["", "23410"]), nameds)


@given(st.lists(st.tuples(seens, counts), max_size=30), st.integers(0, 12))
def test_every_device_is_counted_once_in_its_group_and_at_most_once_by_name_however_few_groups_may_be_told_apart(
    pages: list[tuple[Seen, Count]], at_most: int
) -> None:
    tally = Tally()
    for seen, count in pages:
        tally.add(seen, count, missed=0)
    counted = tally.named_groups(lambda _: "heartbeats-0", lambda number: f"Model {number}")
    whole, by_name = groups(counted), of_names(counted, at_most)
    assert total(whole.values()) == total(count for _, count in pages)
    assert len(by_name) <= at_most
    for group, count in whole.items():
        part = total(each for (of, _), each in by_name.items() if of == group)
        assert part.expected <= count.expected
        assert part.heard <= count.heard
        assert part.silent <= count.silent
        assert part.expected - part.heard - part.silent <= count.expected - count.heard - count.silent
    if len({key for key in counted if key[1] != NOTHING}) <= at_most:
        assert by_name == {key: count for key, count in counted.items() if key[1] != NOTHING}


def total(some: object) -> Count:
    summed = Count()
    for each in some:  # type: ignore[attr-defined]
        summed = summed.plus(each)
    return summed


def test_of_too_many_groups_the_finest_names_are_given_up_first() -> None:
    group = Group("heartbeats-0", "fife", "Hub A", "23410")
    counted = {(group, Named(cell=str(n), firmware="4.2")): Count(10, 5) for n in range(9)}
    counted[group, Named(cell="alone")] = Count(10, 5)
    counted[group, NOTHING] = Count(10, 10)
    assert of_names(counted, at_most=9) == {(group, Named(firmware="4.2")): Count(90, 45)}
