"""Whatever comes, and in whatever order: a device is not proved without each proof, and stays proved while it goes on well."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.checklist import Beat, Event, Evidence, checklist
from tests.unit.registry.proving import DEMANDS, NOW, a_test, after, beat, judged, proved

beats = st.builds(
    beat,
    st.integers(0, 40),
    st.floats(-100, 1000),
    boot_id=st.sampled_from(["boot-a", "boot-b"]),
    mains=st.sampled_from([True, False, None]),
    signal_dbm=st.one_of(st.none(), st.integers(-130, -50)),
    network=st.sampled_from(["ethernet", "wifi", "lte", "gsm", None]),
)
events = st.builds(
    a_test,
    st.sampled_from(["personal_trigger", "smoke", "power_supply", "fall"]),
    st.integers(0, 40),
    st.floats(-100, 1000),
    status=st.sampled_from(["activated", "restored", "failure"]),
    proof=st.booleans(),
    repeats=st.just(0),
    decided=st.booleans(),
    reached_at=st.sampled_from([None, after(50)]),
    hubs=st.integers(0, 2),
    receipt=st.sampled_from(["none", "pending", "taken", "nobody"]),
    boot_id=st.sampled_from(["boot-a", "boot-b"]),
)
evidence = st.builds(
    Evidence,
    began_at=st.just(after(0)),
    demands=st.just(DEMANDS),
    beats=st.lists(beats, max_size=30),
    events=st.lists(events, max_size=8),
    heard_at=st.one_of(st.none(), st.just(after(10))),
    asked_interval_s=st.sampled_from([None, 15]),
)
instants = st.floats(0, 2000).map(after)


@given(evidence, instants, st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_comes_is_of_no_matter(found: Evidence, now: datetime, rng: random.Random) -> None:
    mixed = list({(each.boot_id, each.seq, each.received_at): each for each in found.beats}.values())
    told = list({(each.boot_id, each.seq, each.received_at): each for each in found.events}.values())
    before = checklist(replace(found, beats=tuple(mixed), events=tuple(told)), now)
    rng.shuffle(mixed)
    rng.shuffle(told)
    after_ = checklist(replace(found, beats=mixed, events=told), now)
    assert [each.state for each in after_.items] == [each.state for each in before.items]


def _whole(found: Evidence, now: datetime) -> bool:
    """Complete, by a plain reading of what must have been seen."""
    since = [each for each in found.beats if each.received_at >= found.began_at]
    tests = [each for each in found.events if each.proof and each.status == "activated" and each.reached_at is not None]
    levels = [each.signal_dbm for each in since if each.signal_dbm is not None]
    return (
        len(since) >= 5
        and (now - max(each.received_at for each in since)).total_seconds() <= 3 * 60 + 10
        and max(levels, default=-999) >= -100
        and {"ethernet", "mobile"} <= {each.path for each in since}
        and {"personal_trigger", "smoke"} <= {each.kind for each in tests if each.receipt == "taken"}
        and (any(each.mains is False for each in since) or any(each.kind == "power_supply" for each in found.events))
    )


@given(evidence, instants)
def test_no_evidence_completes_the_list_without_each_thing_having_been_seen(found: Evidence, now: datetime) -> None:
    if checklist(found, now).complete:
        assert _whole(found, now)


@given(st.sampled_from(["beats", "mains", "ethernet", "mobile", "pendant", "smoke", "hub", "receipt", "signal"]))
def test_without_any_one_thing_a_proved_device_is_not_proved(missing: str) -> None:
    assert checklist(proved(), NOW).complete
    assert not checklist(_without(proved(), missing), NOW).complete


def _without(found: Evidence, missing: str) -> Evidence:
    of_beats = {
        "mains": {"mains": True},
        "ethernet": {"network": "lte"},
        "mobile": {"network": "ethernet"},
        "signal": {"signal_dbm": None},
    }
    of_events = {"hub": {"reached_at": None}, "receipt": {"receipt": "pending"}}
    kinds = {"pendant": "personal_trigger", "smoke": "smoke"}
    if missing == "beats":
        return replace(found, beats=[])
    if missing in of_beats:
        return replace(found, beats=[replace(each, **of_beats[missing]) for each in found.beats])  # type: ignore[arg-type]
    if missing in of_events:
        return replace(found, events=[replace(each, **of_events[missing]) for each in found.events])  # type: ignore[arg-type]
    return replace(found, events=[each for each in found.events if each.kind != kinds[missing]])


@given(st.lists(st.integers(-80, -60), max_size=20))
def test_a_box_that_goes_on_well_stays_proved(levels: list[int]) -> None:
    found = proved()
    for level in levels:
        last = found.in_order[-1]
        later = replace(last, seq=last.seq + 1, received_at=after((last.received_at - after(0)).total_seconds() + 15))
        found = replace(found, beats=[*found.beats, replace(later, signal_dbm=level)])
        assert checklist(found, later.received_at).complete


@given(st.integers(2, 30), st.integers(0, 3))
def test_a_gap_begins_the_count_again_and_so_does_a_restart(gap: int, more: int) -> None:
    found = proved()
    last = found.in_order[-1]
    late = [replace(last, seq=last.seq + gap + n, received_at=after(180 + 15 * n)) for n in range(more + 1)]
    now = late[-1].received_at
    assert judged(replace(found, beats=[*found.beats, *late]), "steady_heartbeats", now).count == more + 1
    booted = [replace(each, boot_id="boot-z", seq=n) for n, each in enumerate(late)]
    assert judged(replace(found, beats=[*found.beats, *booted]), "steady_heartbeats", now).count == more + 1


@given(evidence, instants, st.floats(0, 5000))
def test_time_alone_completes_nothing(found: Evidence, now: datetime, passed_s: float) -> None:
    later = after((now - after(0)).total_seconds() + passed_s)
    seen: list[Beat | Event] = [*found.beats, *found.events]
    if all(each.received_at <= now for each in seen) and not checklist(found, now).complete:
        assert not checklist(found, later).complete


@given(evidence, instants)
def test_every_line_that_is_not_done_says_how_it_stands(found: Evidence, now: datetime) -> None:
    for each in checklist(found, now).items:
        assert each.say.endswith(".")
        assert each.wait_s is None or each.wait_s > 0
        assert each.state != "failed" or each.do
