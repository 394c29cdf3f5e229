"""What becomes of an alarm, rule by rule; each name is a sentence that a care manager would understand."""

from dataclasses import replace

import pytest

from contracts.ids import HubId
from contracts.vocabulary import Priority
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decide import decide
from services.alerts.domain.decision import Decision, Reason, Refusal, RefusalReason
from services.alerts.domain.triggers import (
    Acknowledge,
    Close,
    Delivered,
    EventArrived,
    KnownDevice,
    RefusedForGood,
    Release,
    Trigger,
    Woken,
)
from tests.unit.alerts.build import GLASGOW, KNOWN, NOON, arrives, decided, event, seconds


def acknowledged(alarm: Alarm, by: str = "morag") -> Alarm:
    return decided(alarm, Acknowledge(by)).alarm


def a_fall() -> Alarm:
    return arrives(None, event("fall")).alarm


def at_a_hub() -> Alarm:
    return decided(a_fall(), Delivered(NOON), NOON + seconds(1)).alarm


def climbed() -> Alarm:
    return decided(at_a_hub(), Woken(), NOON + seconds(60)).alarm


def test_a_fall_is_raised_and_looked_at_again_when_a_hub_should_have_it() -> None:
    decision = arrives(None, event("fall"))
    assert (decision.event, decision.reason, decision.notification) == ("raised", Reason.FIRST_EVENT, "alarm.raised")
    assert decision.alarm.priority == Priority.LIFE
    assert decision.alarm.state == "open"
    assert decision.alarm.wake_at == NOON + seconds(15)
    assert decision.alarm.installation_ref == "GLA-4711"


def test_deciding_again_after_a_crash_makes_the_same_alarm() -> None:
    happened = event("fall")
    assert arrives(None, happened) == arrives(None, happened)


def test_the_registry_knows_better_than_the_topic_which_council_a_device_is_in() -> None:
    happened = event("fall", council_id="fife")
    assert arrives(None, happened).alarm.council_id == GLASGOW


def test_an_alarm_from_a_device_that_nobody_registered_is_still_an_alarm() -> None:
    alarm = decided(None, EventArrived(event("fall"), None)).alarm
    assert (alarm.unregistered, alarm.council_id, alarm.state) == (True, GLASGOW, "open")


def test_an_event_long_after_the_last_one_is_told_but_does_not_hold_back_the_next_step() -> None:
    alarm = a_fall()
    decision = arrives(alarm, event("fall"), NOON + seconds(601))
    assert (decision.event, decision.reason) == ("repeated", Reason.SAME_AGAIN)
    assert (decision.alarm.wake_at, decision.alarm.step) == (alarm.wake_at, 0)
    assert decision.alarm.event_count == 2


def test_a_press_on_an_acknowledged_alarm_opens_it_again_at_the_foot_of_the_ladder() -> None:
    decision = arrives(acknowledged(climbed()), event("fall"), NOON + seconds(90))
    assert (decision.event, decision.reason) == ("repeated", Reason.EVENT_AFTER_ACKNOWLEDGEMENT)
    assert (decision.alarm.state, decision.alarm.step, decision.alarm.acknowledged_by) == ("open", 0, None)
    assert decision.alarm.wake_at == NOON + seconds(105)
    assert decision.alarm.opened_at == NOON + seconds(90)


def test_a_low_battery_joins_an_open_fall_without_touching_it() -> None:
    alarm = climbed()
    decision = arrives(alarm, event("fall", "battery_low", location="kitchen"), NOON + seconds(61))
    assert (decision.event, decision.reason) == ("repeated", Reason.LESS_URGENT_EVENT)
    after = decision.alarm
    assert (after.priority, after.step, after.wake_at) == (Priority.LIFE, 1, alarm.wake_at)
    assert (after.status, after.location) == ("activated", "bathroom")


def test_of_two_hubs_whose_operators_have_one_name_one_has_the_alarm_and_the_other_is_told() -> None:
    taken = decided(a_fall(), Acknowledge("night desk", HubId("clyde-arc"))).alarm
    other = decide(taken, Acknowledge("night desk", HubId("forth-arc")), NOON)
    assert other == Refusal(RefusalReason.ALREADY_ACKNOWLEDGED, "night desk of clyde-arc")
    assert decided(taken, Acknowledge("night desk", HubId("clyde-arc"))).reason == Reason.ALREADY_SO
    given_back = decided(taken, Release("night desk")).alarm
    assert decided(given_back, Acknowledge("night desk", HubId("forth-arc"))).event == "acknowledged"


def test_a_low_battery_does_not_take_an_acknowledged_fall_from_its_operator() -> None:
    taken = acknowledged(a_fall())
    assert arrives(taken, event("fall", "battery_low")).alarm.acknowledged_by == "morag"


def test_a_fall_that_joins_a_low_battery_escalates_at_once() -> None:
    low = arrives(None, event("fall", "battery_low")).alarm
    assert low.priority == Priority.DEGRADED
    decision = arrives(low, event("fall"), NOON + seconds(30))
    assert (decision.event, decision.reason) == ("escalated", Reason.MORE_URGENT_EVENT)
    assert (decision.alarm.priority, decision.alarm.status) == (Priority.LIFE, "activated")
    assert decision.alarm.wake_at == NOON + seconds(45)


@pytest.mark.parametrize(
    ("sole_trigger", "peripheral", "priority"),
    [
        ("pendant-1", "pendant-1", Priority.UNPROTECTED),
        ("pendant-1", "pull-cord", Priority.DEGRADED),
        (None, "pendant-1", Priority.UNPROTECTED),
        ("pendant-1", None, Priority.UNPROTECTED),
    ],
)
def test_a_failure_leaves_the_person_unprotected_unless_another_trigger_is_known(
    sole_trigger: str | None, peripheral: str | None, priority: Priority
) -> None:
    device = KnownDevice(GLASGOW, None, sole_trigger)
    happened = event("personal_trigger", "failure", peripheral_id=peripheral)
    assert decided(None, EventArrived(happened, device)).alarm.priority == priority


def test_a_restore_closes_a_fault_without_an_outcome() -> None:
    fault = arrives(None, event("power_supply")).alarm
    decision = arrives(fault, event("power_supply", "restored"))
    assert (decision.event, decision.reason) == ("restored", Reason.FAULT_RESTORED)
    assert (decision.alarm.state, decision.alarm.closed_by, decision.alarm.outcome) == ("closed", "system", None)
    assert decision.alarm.wake_at is None
    assert decision.receipt == "closed"


@pytest.mark.parametrize("kind", ["fall", "flood"])
def test_a_restore_never_closes_life_or_welfare(kind: str) -> None:
    decision = arrives(arrives(None, event(kind)).alarm, event(kind, "restored"))
    assert (decision.event, decision.alarm.state) == ("restored", "open")
    assert decision.reason == Reason.RESTORED_BUT_NEEDS_A_PERSON


@pytest.mark.parametrize("kind", ["fall", "power_supply"])
def test_a_cancel_is_told_and_closes_nothing(kind: str) -> None:
    alarm = arrives(None, event(kind)).alarm
    decision = arrives(alarm, event(kind, "cancelled"))
    assert (decision.event, decision.alarm.state, decision.alarm.wake_at) == ("cancelled", "open", alarm.wake_at)


@pytest.mark.parametrize("status", ["restored", "cancelled"])
def test_a_restore_or_cancel_of_nothing_is_listed_and_closed(status: str) -> None:
    decision = arrives(None, event("fall", status))
    assert (decision.event, decision.reason) == (status, Reason.NOTHING_OPEN)
    assert (decision.alarm.priority, decision.alarm.state) == (Priority.LOG, "closed")


def test_a_test_closes_itself_and_joins_nothing() -> None:
    decision = arrives(a_fall(), event("fall", test=True))
    assert (decision.event, decision.notification) == ("test_received", "test.received")
    assert (decision.alarm.priority, decision.alarm.state, decision.alarm.test) == (Priority.LOG, "closed", True)
    assert decision.alarm.event_count == 1


def test_the_box_of_a_test_is_told_once_a_hub_has_it() -> None:
    listed = arrives(None, event("fall", test=True)).alarm
    decision = decided(listed, Delivered(NOON), NOON + seconds(1))
    assert (decision.alarm.notified_at, decision.receipt) == (NOON + seconds(1), "notified")


def test_nobody_answers_so_it_is_told_step_by_step_and_at_the_top_for_ever() -> None:
    alarm = at_a_hub()
    for at_s, step in ((60, 1), (180, 2), (240, 2), (300, 2), (360, 2)):
        assert alarm.wake_at == NOON + seconds(at_s)
        decision = decided(alarm, Woken(), NOON + seconds(at_s))
        assert (decision.event, decision.reason, decision.reuse_unsent) == ("escalated", Reason.NOT_ACKNOWLEDGED, True)
        assert decision.alarm.step == step
        alarm = decision.alarm


def test_nothing_escalates_before_its_time() -> None:
    assert decide(at_a_hub(), Woken(), NOON + seconds(59.9)) == Refusal(RefusalReason.NOT_DUE)


def test_an_alarm_that_nobody_closes_is_asked_after() -> None:
    taken = acknowledged(a_fall())
    decision = decided(taken, Woken(), NOON + seconds(3600))
    assert (decision.event, decision.reason) == ("escalated", Reason.NOT_CLOSED)
    assert (decision.alarm.state, decision.alarm.acknowledged_by) == ("acknowledged", "morag")
    assert decision.alarm.wake_at == NOON + seconds(7200)


def test_the_operator_who_has_it_may_say_so_again() -> None:
    taken = acknowledged(a_fall())
    decision = decided(taken, Acknowledge("morag"), NOON + seconds(5))
    assert (decision.alarm, decision.event) == (taken, None)


def test_another_operator_is_told_who_has_it() -> None:
    refusal = decide(acknowledged(a_fall()), Acknowledge("hamish"), NOON)
    assert refusal == Refusal(RefusalReason.ALREADY_ACKNOWLEDGED, "morag")


def test_a_release_starts_its_step_again_without_going_down_the_ladder() -> None:
    taken = acknowledged(climbed())
    decision = decided(taken, Release("hamish"), NOON + seconds(70))
    assert (decision.event, decision.actor) == ("released", "hamish")
    assert (decision.alarm.state, decision.alarm.step, decision.alarm.acknowledged_by) == ("open", 1, None)
    assert decision.alarm.wake_at == NOON + seconds(70 + 15)
    again_at_a_hub = decided(decision.alarm, Delivered(NOON + seconds(70)), NOON + seconds(71)).alarm
    assert again_at_a_hub.wake_at == NOON + seconds(70 + 120)


def test_a_closed_alarm_names_who_closed_it_and_what_came_of_it() -> None:
    decision = decided(a_fall(), Close("morag", "attended", "tea made"), NOON + seconds(9))
    assert (decision.alarm.state, decision.alarm.closed_by, decision.alarm.outcome) == ("closed", "morag", "attended")
    assert (decision.alarm.wake_at, decision.receipt) == (None, "closed")
    assert "tea made" not in repr(decision)


@pytest.mark.parametrize("trigger", [Woken(), Acknowledge("a"), Release("a"), Close("a", "attended"), RefusedForGood()])
def test_a_closed_alarm_stays_closed(trigger: Trigger) -> None:
    closed = decided(a_fall(), Close("morag", "attended")).alarm
    assert decide(closed, trigger, NOON + seconds(7200)) == Refusal(RefusalReason.ALREADY_CLOSED)


@pytest.mark.parametrize("trigger", [Woken(), Acknowledge("a"), Delivered(NOON)])
def test_what_was_never_raised_is_unknown(trigger: Trigger) -> None:
    assert decide(None, trigger, NOON) == Refusal(RefusalReason.UNKNOWN_ALARM)


def test_when_every_channel_refuses_the_next_step_comes_at_once() -> None:
    decision = decided(a_fall(), RefusedForGood(), NOON + seconds(3))
    assert (decision.event, decision.reason, decision.to_others) == ("escalated", Reason.REFUSED_EVERYWHERE, True)
    assert (decision.alarm.step, decision.alarm.told_at) == (1, NOON + seconds(3))


def test_refusals_by_everybody_there_is_do_not_spin() -> None:
    alarm = a_fall()
    for _ in range(2):
        alarm = decided(alarm, RefusedForGood(), NOON + seconds(3)).alarm
    everybody = decided(alarm, RefusedForGood(), NOON + seconds(4))
    assert (everybody.alarm, everybody.event) == (alarm, None)
    assert alarm.wake_at == NOON + seconds(15)
    once_more = decided(alarm, Woken(), NOON + seconds(15)).alarm
    assert once_more.wake_at == NOON + seconds(75)


def test_only_the_first_delivery_is_when_a_hub_first_knew() -> None:
    first = decided(a_fall(), Delivered(NOON), NOON + seconds(1)).alarm
    assert decided(first, Delivered(NOON), NOON + seconds(9)).alarm.notified_at == NOON + seconds(1)


def test_a_decision_always_has_a_next_instant_or_is_closed() -> None:
    for decision in (decide(None, EventArrived(event(kind), KNOWN), NOON) for kind in ("fall", "tamper", "klingon")):
        assert isinstance(decision, Decision)
        assert (decision.alarm.state == "closed") == (decision.alarm.wake_at is None)


def test_a_look_in_the_very_instant_of_the_last_change_names_a_later_one() -> None:
    """A clock that stands still, as after it was put back: the waker must not look at one alarm for ever."""
    alarm = replace(arrives(None, event("fall")).alarm, wake_at=NOON)
    looked_at = decided(alarm, Woken(), NOON).alarm
    assert looked_at.wake_at is not None
    assert looked_at.wake_at > NOON
