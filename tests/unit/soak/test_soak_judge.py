"""The soak's verdict: that it can fail, and of what."""

from dataclasses import replace

import pytest

from tests.soak.judge import Alarm, Event, Incident, Memory, Press, Seen, Told, What, judge, rises, slope_mib_per_h

PRESS = Press(
    device_id="TC-1", payload_sha256="aa", needs_person=True, born_at=100.0, sent_at=100.1, stored_at=100.2
)  # fmt: skip
EVENT = Event("e1", "i1", "aa", "TC-1", alarm_id="a1", notification_id="n1")
ALARM = Alarm("a1", "TC-1", "personal_trigger", 1, test=False, taken=True)
TOLD = Told("clyde-arc", "n1", "a1", "b1", at=100.5)
WELL = Seen(presses=[PRESS], events=[EVENT], alarms=[ALARM], told=[TOLD])


def found(seen: Seen) -> set[What]:
    return {each.what for each in judge(seen).findings}


def test_an_alarm_that_was_stored_told_and_taken_is_well() -> None:
    verdict = judge(WELL)
    assert verdict.findings == []
    assert (verdict.stored, verdict.delivered, verdict.acknowledged, verdict.needing_person) == (1, 1, 1, 1)
    assert (verdict.lost, verdict.duplicated) == (0, 0)


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (replace(WELL, events=[], presses=[replace(PRESS, stored_at=None)]), What.NOT_STORED),
        (replace(WELL, events=[], presses=[replace(PRESS, sent_at=None, stored_at=None)]), What.NOT_STORED),
        (replace(WELL, events=[]), What.UNTRUE_RECEIPT),
        (replace(WELL, events=[replace(EVENT, payload_sha256="bb")]), What.UNTRUE_RECEIPT),
        (replace(WELL, events=[replace(EVENT, device_id="TC-2")]), What.UNTRUE_RECEIPT),
        (replace(WELL, events=[replace(EVENT, alarm_id=None)]), What.NO_ALARM),
        (replace(WELL, told=[]), What.TOLD_NOBODY),
        (replace(WELL, told=[replace(TOLD, notification_id="n0", at=99.0)]), What.TOLD_NOBODY),
        (replace(WELL, told=[replace(TOLD, notification_id="n2", alarm_id="a2")]), What.TOLD_NOBODY),
    ],
)
def test_what_is_not_stored_or_told_is_lost(seen: Seen, what: What) -> None:
    assert what in found(seen)
    assert judge(seen).lost == 1


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (replace(WELL, events=[EVENT, replace(EVENT, event_id="e2", alarm_id="a2")]), What.TWO_ALARMS),
        (replace(WELL, events=[EVENT, replace(EVENT, identity="i2", payload_sha256="bb")]), What.TWO_ALARMS),
        (replace(WELL, told=[TOLD, replace(TOLD, hub_id="forth-arc", body_sha256="b2")]), What.TWO_BODIES),
        (replace(WELL, broken_promises=["the body of n1 has changed"]), What.TWO_BODIES),
    ],
)
def test_two_alarms_of_one_event_and_two_bodies_of_one_notification_are_duplicates(seen: Seen, what: What) -> None:
    assert found(seen) == {what}
    assert judge(seen).duplicated == 1


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (replace(WELL, alarms=[replace(ALARM, taken=False)]), What.TAKEN_BY_NOBODY),
        (replace(WELL, alarms=[ALARM, replace(ALARM, alarm_id="a2", priority=3, taken=False)]), What.TAKEN_BY_NOBODY),
        (replace(WELL, alarms=[replace(ALARM, events=0)]), What.ALARM_OF_NOTHING),
        (replace(WELL, event_log_rows=1), What.NOT_DRAINED),
        (replace(WELL, audit_violations=1.0), What.AUDIT),
        (replace(WELL, refusals=1), What.REFUSED),
        (replace(WELL, ended_by_themselves=["ingest-a"]), What.ENDED),
        (replace(WELL, bad_ends=["ingest-a ended with exit code 1"]), What.BAD_END),
        (replace(WELL, unready=["ingest-a"]), What.UNREADY),
        (replace(WELL, incidents=[Incident("disk full", 1.0, 1.0, trouble="no volume")]), What.NOT_MENDED),
        (replace(WELL, memory=[Memory("ingest", [(60.0 * n, 80.0 + n) for n in range(31)])]), What.MEMORY),
    ],
)
def test_whatever_must_always_hold_and_does_not_is_found(seen: Seen, what: What) -> None:
    assert found(seen) == {what}


def test_a_run_on_a_machine_that_cannot_make_every_fault_is_not_complete() -> None:
    assert judge(WELL).is_complete
    assert not judge(replace(WELL, not_tried={"disk full": "only root can mount a volume"})).is_complete


def test_the_worst_wait_is_told_of_every_fault_that_a_press_was_under() -> None:
    incidents = [
        Incident("broker killed", 90.0, 99.0),
        Incident("hub hangs", 99.0, 101.0),
        Incident("disk full", 200.0, 203.0),
    ]
    worst_s = judge(replace(WELL, incidents=incidents)).worst_s
    assert worst_s == {"broker killed": pytest.approx(0.5), "hub hangs": pytest.approx(0.5), "disk full": 0.0}


def test_tests_and_what_is_only_logged_need_nobody() -> None:
    alarms = [replace(ALARM, taken=False, test=True), replace(ALARM, taken=False, priority=5)]
    seen = replace(WELL, presses=[replace(PRESS, needs_person=False)], alarms=alarms, told=[])
    assert found(seen) == set()


def test_later_news_of_the_alarm_counts_where_the_news_of_the_press_itself_is_missing() -> None:
    seen = replace(
        WELL, told=[replace(TOLD, notification_id="n9", at=130.0), replace(TOLD, notification_id="n8", at=99.0)]
    )
    assert (found(seen), judge(seen).calm.s) == (set(), [30.0])


def test_the_first_hub_that_has_it_ends_the_delay() -> None:
    told = [TOLD, replace(TOLD, hub_id="forth-arc", at=100.3), replace(TOLD, hub_id="moray-arc", at=101.0)]
    assert list(judge(replace(WELL, told=told)).calm.s) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("began_at", "ended_at", "is_calm"),
    [(90.0, 94.9, True), (90.0, 95.1, False), (99.0, 101.0, False), (100.9, 110.0, False), (101.1, 110.0, True)],
)
def test_a_press_is_under_a_fault_from_a_second_before_it_begins_to_five_after_it_is_mended(
    began_at: float, ended_at: float, *, is_calm: bool
) -> None:
    verdict = judge(replace(WELL, incidents=[Incident("broker killed", began_at, ended_at)]))
    assert (len(verdict.calm.s), len(verdict.under_a_fault.s)) == ((1, 0) if is_calm else (0, 1))


def test_percentiles_are_of_the_nearest_rank() -> None:
    presses = [replace(PRESS, payload_sha256=str(n)) for n in range(1, 101)]
    events = [
        replace(EVENT, event_id=str(n), identity=str(n), payload_sha256=str(n), notification_id=str(n))
        for n in range(1, 101)
    ]
    told = [replace(TOLD, notification_id=str(n), at=100.0 + n) for n in range(1, 101)]
    calm = judge(replace(WELL, presses=presses, events=events, told=told)).calm
    assert (calm.percentile(0.5), calm.percentile(0.99), calm.percentile(1.0)) == (50.0, 99.0, 100.0)


def test_memory_that_rose_only_while_the_process_warmed_up_is_flat() -> None:
    warm = Memory("ingest", [(60.0 * n, 60.0 + min(n, 9) * 10) for n in range(31)])
    assert not rises(warm)
    assert slope_mib_per_h(warm) == pytest.approx(0, abs=6)


def test_a_short_life_says_nothing_of_memory() -> None:
    assert not rises(Memory("ingest", [(10.0 * n, 80.0 + 20 * n) for n in range(13)]))


def test_nor_does_what_is_not_ours_to_keep_flat() -> None:
    rising = Memory("postgres", [(60.0 * n, 80.0 + 10 * n) for n in range(31)])
    assert rises(rising)
    assert not rises(replace(rising, is_judged=False))
