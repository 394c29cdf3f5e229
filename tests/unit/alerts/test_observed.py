"""What we saw of a device beside what it says itself: one alarm of both, that rises when we expect it to be worse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.alarm_event import AlarmEvent, Observed
from contracts.policy import DEFAULT_POLICY
from contracts.vocabulary import Priority
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Circumstances, Reason
from services.alerts.domain.triggers import Acknowledge, Close, Woken
from tests.unit.alerts.build import NOON, arrives, decided, event, seconds

EMPTY_AT = NOON + timedelta(hours=20)


def saw(status: str = "activated", kind: str = "power_supply", **more: object) -> AlarmEvent:
    """What we tell of mains, or of another kind."""
    begun_as = "battery_low" if kind == "local_unit" else "activated"
    observed = Observed(begun_as=begun_as, **more)  # type: ignore[arg-type]
    return event(kind, status, topic="", boot_id=None, seq=None, peripheral_id=None, observed=observed)


def raised(happened: AlarmEvent) -> Alarm:
    decision = arrives(None, happened)
    assert (decision.event, decision.tells) == ("raised", True)
    return decision.alarm


def test_it_is_degraded_and_rises_when_its_battery_will_be_empty_and_no_sooner() -> None:
    alarm = raised(saw(rises_at=EMPTY_AT))
    assert (alarm.priority, alarm.rises_at) == (Priority.DEGRADED, EMPTY_AT)
    early = decided(alarm, Woken(), alarm.wake_at or EMPTY_AT)
    assert early.alarm.priority == Priority.DEGRADED
    ripe = replace(alarm, wake_at=EMPTY_AT)
    risen = decided(ripe, Woken(), EMPTY_AT)
    assert (risen.alarm.priority, risen.reason, risen.tells) == (Priority.UNPROTECTED, Reason.ROSE_WITH_TIME, True)
    assert risen.alarm.repair_due_at is not None


def test_it_is_looked_at_in_the_instant_in_which_it_rises() -> None:
    assert raised(saw(rises_at=NOON + seconds(700))).wake_at == NOON + seconds(700)


def test_a_battery_that_lasts_for_days_does_not_put_off_what_the_policy_says() -> None:
    assert raised(saw(rises_at=NOON + timedelta(days=9))).rises_at == NOON + timedelta(days=1)


def test_where_nothing_rises_by_policy_an_empty_battery_does() -> None:
    policy = DEFAULT_POLICY.model_copy(
        update={"degraded": DEFAULT_POLICY.degraded.model_copy(update={"rises_after_s": None})}
    )
    around = Circumstances(policy=policy)
    assert arrives(None, saw(rises_at=EMPTY_AT), around=around).alarm.rises_at == EMPTY_AT
    assert arrives(None, saw(), around=around).alarm.rises_at is None


def test_with_the_devices_own_report_it_is_one_alarm_and_nobody_is_asked_again() -> None:
    own = raised(event("power_supply", peripheral_id=None))
    taken = decided(own, Acknowledge("Isla")).alarm
    joined = arrives(taken, saw(rises_at=EMPTY_AT), NOON + seconds(60))
    assert (joined.event, joined.reason, joined.tells) == ("repeated", Reason.SAME_AGAIN, False)
    assert (joined.alarm.state, joined.alarm.acknowledged_by, joined.alarm.event_count) == ("acknowledged", "Isla", 2)
    assert joined.alarm.rises_at == EMPTY_AT


def test_what_has_risen_already_stays_where_it_is() -> None:
    own = replace(raised(event("power_supply", peripheral_id=None)), priority=Priority.UNPROTECTED, rises_at=None)
    joined = arrives(own, saw(rises_at=EMPTY_AT), NOON + seconds(60))
    assert (joined.alarm.priority, joined.alarm.rises_at, joined.tells) == (Priority.UNPROTECTED, None, False)


def test_the_end_of_what_we_saw_closes_it_and_the_devices_own_does_too() -> None:
    for over in (saw("restored"), event("power_supply", "restored", peripheral_id=None)):
        closed = arrives(raised(saw()), over, NOON + seconds(600))
        assert (closed.alarm.state, closed.event, closed.reason) == ("closed", "restored", Reason.FAULT_RESTORED)


def test_its_end_after_somebody_else_has_ended_it_is_told_to_nobody() -> None:
    nothing = arrives(None, saw("restored"))
    assert (nothing.event, nothing.reason, nothing.tells) == ("restored", Reason.NOTHING_OPEN, False)
    assert arrives(None, event("power_supply", "restored")).tells
    closed = decided(raised(saw()), Close("Isla", "attended")).alarm
    assert closed.state == "closed"


@pytest.mark.parametrize(
    ("status", "over"), [("failure", "power_supply"), ("battery_low", "power_supply"), ("activated", "local_unit")]
)
def test_the_end_of_what_we_saw_is_no_end_of_another_fault(status: str, over: str) -> None:
    """Mains are back, and what the device says of its battery stands; a battery is charged, and the unit is open still."""
    own = raised(event(over, status, peripheral_id=None))
    left = arrives(own, saw("restored", over), NOON + seconds(60))
    assert (left.alarm, left.event) == (own, None)


def test_it_is_told_as_it_was_written() -> None:
    told = saw(rises_at=EMPTY_AT)
    assert AlarmEvent.from_json(told.to_json()) == told
    before_there_was_any = told.to_json().replace('"observed"', '"unheard_of"')
    assert AlarmEvent.from_json(before_there_was_any) == replace(told, observed=None)
