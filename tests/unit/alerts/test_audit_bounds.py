"""How long what waits may be overdue."""

import pytest

from services.alerts.auditor.bounds import BOUNDS, Overdue, What
from tests.unit.alerts.build import NOON, seconds


@pytest.mark.parametrize(
    ("what", "within_s"),
    [
        (What.ALARM_URGENT, 30),
        (What.ALARM_OTHER, 120),
        (What.EVENT, 30),
        (What.DELIVERY_URGENT, 60),
        (What.DELIVERY_OTHER, 600),
    ],
)
def test_it_is_a_violation_when_the_bound_is_passed_and_not_before(what: What, within_s: int) -> None:
    worst = Overdue(what, NOON)
    assert not worst.is_violation(NOON + seconds(within_s))
    assert worst.is_violation(NOON + seconds(within_s + 0.1))


@pytest.mark.parametrize("what", What)
def test_nothing_that_waits_is_no_violation(what: What) -> None:
    assert not Overdue(what, None).is_violation(NOON)


def test_an_alarm_without_a_future_is_one_from_the_first_even_if_a_fast_clock_says_tomorrow() -> None:
    worst = Overdue(What.ALARM_WITHOUT_FUTURE, NOON + seconds(86_400))
    assert worst.is_violation(NOON)


def test_everything_that_is_audited_has_its_bound_and_is_told_in_a_sentence() -> None:
    assert BOUNDS.keys() == set(What)
    assert len({bound.sentence for bound in BOUNDS.values()}) == len(BOUNDS)
