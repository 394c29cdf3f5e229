"""The ladder as issue 3 tells it, step by step: what happens when, and on which step the alarm then stands."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from contracts.policy import DEFAULT_POLICY, Ladder, Policy, Step
from contracts.vocabulary import Priority
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Circumstances, Reason
from services.alerts.domain.triggers import (
    Acknowledge,
    Delivered,
    EventArrived,
    KnownDevice,
    RecentTests,
    RefusedForGood,
    Release,
    Woken,
)
from tests.unit.alerts.build import GLASGOW, KNOWN, NOON, ORDINARY, arrives, decided, event, seconds

DAY_S = 86_400
HOUR_S = 3600


def raised(kind: str = "fall", around: Circumstances = ORDINARY) -> Alarm:
    return arrives(None, event(kind), around=around).alarm


def delivered(alarm: Alarm, at_s: float, around: Circumstances = ORDINARY) -> Alarm:
    """A hub has what it was last told."""
    assert alarm.told_at is not None
    return decided(alarm, Delivered(alarm.told_at), NOON + seconds(at_s), around).alarm


def looks(alarm: Alarm, until_s: float, around: Circumstances = ORDINARY) -> Iterator[tuple[float, str, int]]:
    """Every time that people are told again until then: after how many seconds, why, and on which step."""
    while alarm.wake_at is not None and alarm.wake_at <= NOON + seconds(until_s):
        at = alarm.wake_at
        decision = decided(alarm, Woken(), at, around)
        assert decision.alarm.wake_at is not None
        assert decision.alarm.wake_at > at, "it would be looked at for ever at the same instant"
        if decision.event is not None:
            yield (at - NOON).total_seconds(), str(decision.reason), decision.alarm.step
        alarm = decision.alarm


def ladder(*after_s: int, undelivered_after_s: int = 15, repeat_every_s: int = 60, **fields: int) -> Circumstances:
    """A policy whose ladder for life has steps at these times; one hub more at each, and every hub at the last."""
    steps = [Step(after_s=at, hubs=number + 1) for number, at in enumerate(after_s)]
    steps[-1] = Step(after_s=after_s[-1], hubs=None, responders=True)
    life = Ladder(
        steps=tuple(steps),
        undelivered_after_s=undelivered_after_s,
        repeat_every_s=repeat_every_s,
        **({"press_again_within_s": 600, "follow_up_after_s": HOUR_S} | fields),
    )
    return Circumstances(
        7, Policy(**{name: getattr(DEFAULT_POLICY, name) for name in Policy.model_fields} | {"life": life})
    )


def silence(until_s: float, *priorities: int) -> Circumstances:
    return Circumstances(silences={Priority(each): NOON + seconds(until_s) for each in priorities})


# -- the default, priority by priority --------------------------------------------------------------------------------


def test_life_hub_1_at_once_hub_2_after_60_s_everybody_after_180_s_and_then_every_60_s_for_ever() -> None:
    at_once = raised()
    assert (at_once.step, at_once.told_at, at_once.policy_id) == (0, NOON, 0)
    told = [*looks(delivered(at_once, 1), 7 * DAY_S)]
    assert told[:4] == [(at, "not_acknowledged", step) for at, step in ((60, 1), (180, 2), (240, 2), (300, 2))]
    assert [at for at, _, _ in told[1:]] == [180 + 60 * each for each in range(len(told) - 1)]
    assert told[-1][0] == 7 * DAY_S


def test_life_that_no_hub_has_after_15_s_goes_to_hub_2_at_once_and_15_s_later_to_everybody() -> None:
    told = [*looks(raised(), 200)]
    assert told == [
        (15, "not_delivered", 1),
        (30, "not_delivered", 2),
        (90, "not_acknowledged", 2),
        (150, "not_acknowledged", 2),
    ]


def test_life_that_hub_2_has_after_16_s_is_told_to_both_again_after_60_s_and_to_everybody_after_180_s() -> None:
    """Not delivered within 15 s is no answer to "not acknowledged in 60 s": that clock runs all the same."""
    climbed = decided(raised(), Woken(), NOON + seconds(15)).alarm
    assert climbed.step == 1
    told = [*looks(delivered(climbed, 16), 240)]
    assert told == [(60, "not_acknowledged", 1), (180, "not_acknowledged", 2), (240, "not_acknowledged", 2)]


def test_life_that_is_refused_for_good_goes_to_hub_2_at_once() -> None:
    refused = decided(raised(), RefusedForGood(), NOON + seconds(2))
    assert (refused.alarm.step, refused.reason, refused.reuse_unsent) == (1, Reason.REFUSED_EVERYWHERE, True)
    assert [*looks(refused.alarm, 40)] == [(17, "not_delivered", 2)]


def test_a_hub_that_has_it_late_stops_only_the_clock_of_what_is_undelivered() -> None:
    alarm = decided(raised(), Woken(), NOON + seconds(15)).alarm
    late = decided(alarm, Delivered(NOON), NOON + seconds(20)).alarm
    assert late.reached_at == NOON + seconds(20)
    assert [step for _, _, step in looks(late, 180)] == [1, 2]


def test_welfare_is_the_same_but_slower() -> None:
    assert [*looks(delivered(raised("flood"), 1), 1200)] == [
        (180, "not_acknowledged", 1),
        (600, "not_acknowledged", 2),
        (900, "not_acknowledged", 2),
        (1200, "not_acknowledged", 2),
    ]
    assert [*looks(raised("flood"), 60)] == [(30, "not_delivered", 1), (60, "not_delivered", 2)]


def test_an_unprotected_person_is_told_to_everybody_once_when_the_fault_is_overdue_after_48_hours() -> None:
    alarm = delivered(raised("device_silent"), 1)
    assert (alarm.priority, alarm.repair_due_at) == (Priority.UNPROTECTED, NOON + seconds(48 * HOUR_S))
    taken = decided(alarm, Acknowledge("isla"), NOON + seconds(60)).alarm
    told = [*looks(taken, 96 * HOUR_S)]
    assert [each for each in told if each[1] == "repair_overdue"] == [(48 * HOUR_S, "repair_overdue", 2)]
    assert {reason for _, reason, _ in told} == {"not_closed", "repair_overdue"}


@pytest.mark.parametrize("sole_device", [True, False])
def test_a_person_is_at_risk_only_when_it_was_their_only_device(sole_device: bool) -> None:
    device = KnownDevice(GLASGOW, "GLA-4711", None, sole_device=sole_device)
    view = decided(None, EventArrived(event("device_silent"), device)).alarm.view()
    assert (view.at_risk, view.repair_due_at) == (sole_device, NOON + seconds(48 * HOUR_S))


def test_nobody_is_at_risk_because_of_a_flat_battery_of_the_mains() -> None:
    view = raised("power_supply").view()
    assert (view.priority, view.at_risk, view.repair_due_at) == (Priority.DEGRADED, False, None)


def test_what_is_degraded_rises_after_a_day_and_begins_the_ladder_of_what_is_unprotected() -> None:
    alarm = delivered(raised("power_supply"), 1)
    assert [*looks(alarm, DAY_S)] == [(8 * HOUR_S, "not_acknowledged", 1), (DAY_S, "rose_with_time", 0)]
    risen = decided(alarm, Woken(), NOON + seconds(DAY_S)).alarm
    assert (risen.priority, risen.state, risen.rises_at) == (Priority.UNPROTECTED, "open", None)
    assert risen.repair_due_at == NOON + seconds(DAY_S + 48 * HOUR_S)


def test_what_is_degraded_and_in_hand_rises_too_and_stays_in_the_same_hands() -> None:
    taken = decided(raised("power_supply"), Acknowledge("ewan")).alarm
    rises = decided(taken, Woken(), NOON + seconds(DAY_S))
    assert (rises.event, rises.reason) == ("escalated", Reason.ROSE_WITH_TIME)
    assert (rises.alarm.priority, rises.alarm.acknowledged_by) == (Priority.UNPROTECTED, "ewan")


def test_what_is_only_logged_is_stored_and_done() -> None:
    for alarm in (arrives(None, event(test=True)).alarm, arrives(None, event("fall", "restored")).alarm):
        assert (alarm.priority, alarm.state, alarm.wake_at) == (Priority.LOG, "closed", None)


# -- policies of councils -----------------------------------------------------------------------------------------------


def test_an_alarm_says_by_which_version_of_the_policy_it_goes() -> None:
    assert raised(around=ladder(0)).policy_id == 7


def test_a_policy_of_one_step_tells_everybody_at_once_and_then_at_its_own_pace() -> None:
    around = ladder(0, repeat_every_s=45)
    alarm = raised(around=around)
    assert [*looks(delivered(alarm, 1, around), 135, around)] == [(at, "not_acknowledged", 0) for at in (45, 90, 135)]
    assert [*looks(alarm, 60, around)] == [(15, "not_delivered", 0), (60, "not_acknowledged", 0)], (
        "the last resort, once"
    )


def test_a_policy_of_ten_steps_takes_each_at_its_time() -> None:
    times = (0, 7, 19, 20, 21, 100, 101, 299, 300, 600)
    around = ladder(*times)
    alarm = delivered(raised(around=around), 1, around)
    told = [*looks(alarm, 660, around)]
    assert told == [
        *((at, "not_acknowledged", step) for step, at in enumerate(times) if step),
        (660, "not_acknowledged", 9),
    ]


def test_after_an_outage_of_ours_every_step_that_is_late_is_taken_at_once_and_none_is_skipped() -> None:
    around = ladder(0, 10, 20, 30, 40)
    alarm, back = raised(around=around), NOON + seconds(HOUR_S)
    for step in (1, 2, 3, 4):
        assert alarm.wake_at is not None
        assert alarm.wake_at <= back
        alarm = decided(alarm, Woken(), back, around).alarm
        assert alarm.step == step
    assert alarm.wake_at == back + seconds(60)


def test_when_hubs_are_slower_than_the_steps_the_steps_go_on() -> None:
    around = ladder(0, 5, 10, undelivered_after_s=60)
    assert [*looks(raised(around=around), 70, around)] == [
        (5, "not_acknowledged", 1),
        (10, "not_acknowledged", 2),
        (60, "not_delivered", 2),
    ]


# -- the second press (Luleå) -----------------------------------------------------------------------------------------------


def test_each_press_goes_one_step_up_at_once_and_none_is_skipped() -> None:
    alarm = delivered(raised(), 1)
    for press, step in ((10, 1), (20, 2), (30, 2), (600, 2)):
        decision = arrives(alarm, event("fall"), NOON + seconds(press))
        assert (decision.event, decision.reason, decision.tells) == ("repeated", Reason.PRESSED_AGAIN, True)
        assert decision.alarm.step == step
        alarm = decision.alarm
    assert alarm.event_count == 5


def test_whoever_presses_all_the_time_never_holds_back_the_clock() -> None:
    alarm = delivered(raised(), 1)
    for press_s in range(5, 400, 5):
        now = NOON + seconds(press_s)
        while alarm.wake_at is not None and alarm.wake_at <= now:
            alarm = decided(alarm, Woken(), alarm.wake_at).alarm
        was_due_at, alarm = alarm.wake_at, arrives(alarm, event("fall"), now).alarm
        assert was_due_at is not None
        assert alarm.wake_at is not None
        assert alarm.wake_at <= max(was_due_at, now + seconds(60)), (
            "at the latest a round after the press that told all"
        )


def test_a_press_brings_the_next_step_forward_and_its_own_time_still_tells_those_on_it_again() -> None:
    pressed = arrives(delivered(raised(), 1), event("fall"), NOON + seconds(20)).alarm
    assert [*looks(pressed, 240)] == [
        (60, "not_acknowledged", 1),
        (180, "not_acknowledged", 2),
        (240, "not_acknowledged", 2),
    ]


def test_two_presses_on_a_long_ladder_hold_back_none_of_the_times_they_passed() -> None:
    around = ladder(0, 60, 120, 300, 600)
    alarm = delivered(raised(around=around), 1, around)
    for press_s in (10, 20):
        alarm = arrives(alarm, event("fall"), NOON + seconds(press_s), around).alarm
    assert [*looks(alarm, 600, around)] == [
        (60, "not_acknowledged", 2),
        (120, "not_acknowledged", 2),
        (300, "not_acknowledged", 3),
        (600, "not_acknowledged", 4),
    ]


@pytest.mark.parametrize(("after_s", "reason"), [(600, Reason.PRESSED_AGAIN), (600.1, Reason.SAME_AGAIN)])
def test_a_second_press_counts_within_the_policys_ten_minutes(after_s: float, reason: Reason) -> None:
    assert arrives(raised(), event("fall"), NOON + seconds(after_s)).reason == reason


def test_faults_that_repeat_themselves_climb_nothing() -> None:
    decision = arrives(raised("power_supply"), event("power_supply"), NOON + seconds(5))
    assert (decision.reason, decision.alarm.step) == (Reason.SAME_AGAIN, 0)


def test_a_press_on_what_somebody_has_opens_it_again_from_the_first_step_with_all_its_clocks() -> None:
    alarm = decided(delivered(raised(), 1), Woken(), NOON + seconds(60)).alarm
    taken = decided(alarm, Acknowledge("isla"), NOON + seconds(70)).alarm
    again = arrives(taken, event("fall"), NOON + seconds(100))
    assert (again.event, again.reason, again.tells) == ("repeated", Reason.EVENT_AFTER_ACKNOWLEDGEMENT, True)
    opened = again.alarm
    assert (opened.state, opened.step, opened.acknowledged_by, opened.reached_at) == ("open", 0, None, None)
    assert [*looks(opened, 130)] == [(115, "not_delivered", 1), (130, "not_delivered", 2)]


# -- people -----------------------------------------------------------------------------------------------------------------


def test_what_is_taken_and_not_closed_is_followed_up_each_hour() -> None:
    taken = decided(raised(), Acknowledge("isla"), NOON + seconds(30)).alarm
    assert [*looks(taken, 30 + 3 * HOUR_S)] == [(30 + HOUR_S * n, "not_closed", 0) for n in (1, 2, 3)]


def test_what_is_given_back_goes_on_from_the_step_where_it_stood() -> None:
    alarm = decided(delivered(raised(), 1), Woken(), NOON + seconds(60)).alarm
    taken = decided(alarm, Acknowledge("isla"), NOON + seconds(70)).alarm
    back = decided(taken, Release("isla"), NOON + seconds(1000)).alarm
    assert (back.step, back.opened_at) == (1, NOON + seconds(1000))
    assert [*looks(delivered(back, 1001), 1200)] == [(1120, "not_acknowledged", 2), (1180, "not_acknowledged", 2)]


def test_what_was_told_before_it_was_given_back_does_not_count_as_told_of_that() -> None:
    alarm = decided(raised(), Woken(), NOON + seconds(15)).alarm
    taken = decided(alarm, Acknowledge("isla"), NOON + seconds(20)).alarm
    back = decided(taken, Release("isla"), NOON + seconds(25)).alarm
    old_news = decided(back, Delivered(NOON + seconds(15)), NOON + seconds(26)).alarm
    assert old_news.reached_at is None


# -- silences ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fall", "flood"])
def test_life_and_welfare_are_never_held_back_whatever_is_written(kind: str) -> None:
    around = silence(HOUR_S, 1, 2, 3, 4, 5)
    decision = arrives(None, event(kind), around=around)
    assert (decision.tells, decision.alarm.silenced_until, decision.alarm.told_at) == (True, None, NOON)
    assert decided(decision.alarm, Woken(), NOON + seconds(3600), around).event == "escalated"


def test_a_silenced_fault_is_listed_and_told_when_the_silence_ends() -> None:
    around = silence(2 * HOUR_S, 3)
    quiet = arrives(None, event("device_silent"), around=around)
    assert (quiet.event, quiet.tells, quiet.alarm.state) == ("raised", False, "open")
    assert quiet.alarm.wake_at == NOON + seconds(2 * HOUR_S)
    told = decided(quiet.alarm, Woken(), NOON + seconds(2 * HOUR_S), around)
    assert (told.event, told.reason, told.tells) == ("escalated", Reason.SILENCE_ENDED, True)
    assert (told.alarm.step, told.alarm.silenced_until) == (0, None)
    assert [*looks(told.alarm, 2 * HOUR_S + 300)] == [(2 * HOUR_S + 300, "not_delivered", 1)]


def test_a_silence_that_begins_later_stops_the_ladder_and_its_end_starts_it_again() -> None:
    alarm, around = raised("device_silent"), silence(DAY_S / 2, 3)
    held = decided(alarm, Woken(), NOON + seconds(300), around)
    assert (held.event, held.reason, held.alarm.wake_at) == (None, Reason.SILENCED, NOON + seconds(DAY_S / 2))
    assert decided(held.alarm, Woken(), NOON + seconds(DAY_S / 2)).reason == Reason.SILENCE_ENDED


def test_a_silence_of_a_week_is_looked_at_each_day() -> None:
    around = silence(7 * DAY_S, 4)
    assert raised("power_supply", around).wake_at == NOON + timedelta(days=1)


def test_a_fault_that_repeats_itself_in_a_silence_is_listed_only() -> None:
    around = silence(HOUR_S, 3)
    quiet = arrives(None, event("device_silent"), around=around).alarm
    again = arrives(quiet, event("device_silent"), NOON + seconds(60), around)
    assert (again.tells, again.alarm.wake_at, again.alarm.event_count) == (False, quiet.wake_at, 2)


def test_something_more_urgent_breaks_through_a_silence() -> None:
    around = silence(HOUR_S, 3, 4, 5)
    quiet = arrives(None, event("fall", "battery_low"), around=around).alarm
    assert quiet.silenced_until is not None
    fall = arrives(quiet, event("fall"), NOON + seconds(60), around)
    assert (fall.reason, fall.tells, fall.alarm.silenced_until) == (Reason.MORE_URGENT_EVENT, True, None)
    assert [*looks(fall.alarm, 75, around)] == [(75, "not_delivered", 1)]


# -- tests ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_device", "of_all", "told"),
    [(0, 0, True), (9, 9, True), (10, 10, False), (0, 59, True), (0, 60, False), (500, 500, False)],
)
def test_ten_tests_of_a_device_in_ten_minutes_are_told_and_sixty_of_all_in_one(
    of_device: int, of_all: int, told: bool
) -> None:
    trigger = EventArrived(event(test=True), KNOWN, tests=RecentTests(of_device, of_all))
    decision = decided(None, trigger)
    assert (decision.event, decision.tells, decision.alarm.told_at is not None) == ("test_received", told, told)
    assert decision.reason == (Reason.TEST if told else Reason.TEST_BEYOND_LIMIT)


def test_a_flood_of_tests_limits_nothing_else() -> None:
    decision = decided(None, EventArrived(event(), KNOWN, tests=RecentTests(500, 500)))
    assert (decision.event, decision.tells) == ("raised", True)


def test_a_late_look_after_a_huge_jump_of_time_still_leaves_a_next_one() -> None:
    alarm = delivered(raised(), 1)
    decision = decided(alarm, Woken(), NOON + timedelta(days=400))
    assert (decision.alarm.step, decision.alarm.told_at) == (1, NOON + timedelta(days=400))


def test_a_silence_of_a_council_does_not_hide_that_its_hub_cannot_be_reached() -> None:
    around = silence(7 * DAY_S, 3, 4, 5)
    assert raised("device_silent", around).silenced_until == NOON + seconds(7 * DAY_S)
    decision = arrives(None, event("channel_failing"), around=around)
    assert (decision.tells, decision.alarm.silenced_until, decision.alarm.told_at) == (True, None, NOON)
    assert [*looks(decision.alarm, 300, around)] == [(300, "not_delivered", 1)]


@pytest.mark.parametrize(("wavered", "tells"), [(0, True), (1, True), (2, False), (9, False)])
def test_a_battery_that_wavered_twice_within_a_day_is_told_of_when_it_has_been_low_for_half_an_hour(
    wavered: int, tells: bool
) -> None:
    low = EventArrived(event("personal_trigger", "battery_low"), KNOWN, wavered=wavered)
    decision = decided(None, low)
    assert (decision.event, decision.tells, decision.alarm.state) == ("raised", tells, "open")
    if not tells:
        alarm = decision.alarm
        assert alarm.wake_at == NOON + timedelta(minutes=30)
        over = arrives(alarm, event("personal_trigger", "restored"), NOON + timedelta(minutes=29))
        assert (over.alarm.state, over.tells) == ("closed", False)
        told = decided(alarm, Woken(), NOON + timedelta(minutes=30))
        assert (told.event, told.reason, told.tells) == ("escalated", Reason.SILENCE_ENDED, True)


def test_however_often_it_wavered_what_is_worse_than_a_low_battery_is_told_at_once() -> None:
    for happened in (event("fall"), event("personal_trigger", "failure")):
        assert decided(None, EventArrived(happened, KNOWN, wavered=9)).tells
