"""What became of a press, by how long it took."""

import pytest

from services.canary.domain.rounds import LATE_AFTER_S, LOST_AFTER_S, Rounds, Trip


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(0.02, "delivered"), (LATE_AFTER_S, "delivered"), (LATE_AFTER_S + 0.1, "late")]
)
def test_a_press_comes_round_once_in_time_or_late(seconds: float, outcome: str) -> None:
    rounds = Rounds()
    rounds.pressed("alarms", 7, 100.0)
    trip = rounds.heard(7, 100.0 + seconds)
    assert trip == Trip("alarms", pytest.approx(seconds), outcome)  # type: ignore[arg-type]
    assert rounds.heard(7, 101.0 + seconds) is None  # a hub is told again where its answer was lost
    assert rounds.lost(1_000.0) == []


def test_what_was_never_pressed_comes_round_for_nobody() -> None:
    assert Rounds().heard(1, 0.0) is None


def test_a_press_that_did_not_come_round_is_lost_once_and_its_coming_later_is_no_success() -> None:
    rounds = Rounds()
    rounds.pressed("alarms", 1, 0.0)
    rounds.pressed("north", 2, 30.0)
    assert rounds.lost(LOST_AFTER_S) == []
    assert rounds.lost(LOST_AFTER_S + 0.1) == ["alarms"]
    assert rounds.lost(LOST_AFTER_S + 0.2) == []
    assert rounds.heard(1, LOST_AFTER_S + 1) is None
    assert rounds.heard(2, LOST_AFTER_S + 1) == Trip("north", LOST_AFTER_S - 29, "late")
