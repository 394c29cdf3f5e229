from collections import Counter
from itertools import takewhile

from services.simulator.script import Beat, story

MINUTES = 30


def beats(*, seed: int = 1, for_s: float = MINUTES * 60) -> list[Beat]:
    return list(takewhile(lambda beat: beat.at_s <= for_s, story(boxes=50, seed=seed)))


def test_a_story_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert beats() == beats()
    assert beats() != beats(seed=2)


def test_something_happens_every_second_or_two_in_order_of_time() -> None:
    told = beats()
    assert told == sorted(told, key=lambda beat: beat.at_s)
    assert 0.5 <= MINUTES * 60 / len(told) <= 2.0
    assert all(0 <= beat.box < 50 for beat in told)


def test_all_that_the_demo_promises_is_in_the_first_half_hour() -> None:
    told = [beat.occurrence for beat in beats()]
    kinds = Counter((occurrence.kind, occurrence.status) for occurrence in told)
    for wanted in (
        ("personal_trigger", "activated"),
        ("personal_trigger", "battery_low"),
        ("personal_trigger", "restored"),
        ("personal_trigger", "cancelled"),
        ("fall", "activated"),
        ("smoke", "activated"),
        ("power_supply", "restored"),
    ):
        assert kinds[wanted] > 0, wanted
    assert any(occurrence.test for occurrence in told)
    assert any(occurrence.garbling for occurrence in told)
    assert any(occurrence.sent_twice for occurrence in told)


def test_a_restore_or_a_cancel_comes_after_what_it_is_for() -> None:
    begun: set[tuple[int, str]] = set()
    for beat in beats():
        if beat.occurrence.status in {"restored", "cancelled"}:
            assert (beat.box, beat.occurrence.kind) in begun
        begun.add((beat.box, beat.occurrence.kind))


def test_a_run_of_twenty_seconds_has_alarms_that_need_a_person_and_some_that_do_not() -> None:
    needing = Counter(beat.occurrence.needs_person for beat in beats(for_s=20))
    assert needing[True] >= 8
