"""What an engineer reads in the hallway."""

from dataclasses import replace

import pytest

from services.registry.domain.checklist import Demands, Evidence, Trigger, checklist, not_begun
from tests.unit.registry.proving import BEGAN, DEMANDS, NOW, a_test, after, beat, item, judged, proved

PENDANT = "trigger:personal_trigger:pendant-1"


def test_a_box_of_which_everything_was_proved_is_complete() -> None:
    found = checklist(proved(), NOW)
    assert (found.complete, found.missing) == (True, ())
    assert [each.state for each in found.items] == ["passed"] * 8


def test_a_box_that_the_broker_should_know_and_does_not_is_not_proved_by_whoever_speaks_in_its_name() -> None:
    for credential, state in (("none", "waiting"), ("exchanged", "waiting"), ("at_broker", "passed")):
        found = checklist(replace(proved(), credential=credential), NOW)  # type: ignore[arg-type]
        own = item(found, "own_credential")
        assert (own.state, found.complete) == (state, state == "passed")
        assert own.say
        assert (own.do is None) == own.done
    assert "own_credential" not in {each.key for each in checklist(proved(), NOW).items}


def test_nothing_tried_is_nothing_proved() -> None:
    found = checklist(Evidence(began_at=BEGAN, demands=DEMANDS), after(1))
    assert not found.complete
    assert {each.state for each in found.items} == {"waiting"}
    assert len(found.missing) == len(found.items)
    assert not not_begun(NOW).complete


def test_a_heartbeat_of_before_commissioning_proves_nothing_of_it() -> None:
    old = Evidence(began_at=BEGAN, demands=DEMANDS, beats=[beat(n, -200 + n) for n in range(9)])
    assert judged(old, "first_heartbeat", after(1)).state == "waiting"
    assert judged(old, "steady_heartbeats", after(1)).count == 0


def test_a_box_that_is_not_heard_for_too_long_is_told_so_with_what_to_look_at() -> None:
    silent = Evidence(began_at=BEGAN, demands=DEMANDS)
    assert judged(silent, "first_heartbeat", after(60)).wait_s == 5
    late = judged(silent, "first_heartbeat", after(140))
    assert (late.state, late.wait_s) == ("failed", None)
    assert late.do is not None
    assert "switched on" in late.do


def test_a_box_with_a_wrong_clock_is_heard_and_told_so() -> None:
    odd = Evidence(began_at=BEGAN, demands=DEMANDS, heard_at=after(5))
    assert "clock is wrong" in judged(odd, "first_heartbeat", after(10)).say


def test_a_heartbeat_that_went_missing_begins_the_count_again() -> None:
    evidence = replace(proved(), beats=[beat(n, 15 * n) for n in (0, 1, 2, 3, 5, 6)], events=[])
    found = judged(evidence, "steady_heartbeats", after(92))
    assert (found.state, found.count, found.of) == ("waiting", 2, 5)
    assert "went missing" in found.say


def test_an_alarm_between_two_heartbeats_is_no_gap() -> None:
    beats = [beat(n, 15 * n) for n in (0, 1, 3, 4, 5)]
    without = replace(proved(), beats=beats, events=[])
    assert judged(without, "steady_heartbeats", after(80)).count == 3
    assert judged(replace(without, events=[a_test("smoke", 2, 20)]), "steady_heartbeats", after(80)).state == "passed"


def test_a_restart_begins_the_count_again() -> None:
    beats = [*(beat(n, 15 * n) for n in range(4)), *(beat(n, 60 + 15 * n, boot_id="boot-b") for n in range(3))]
    assert judged(replace(proved(), beats=beats), "steady_heartbeats", after(92)).count == 3


def test_a_box_that_fell_silent_is_not_heard_however_well_it_was_before() -> None:
    evidence = proved()
    assert judged(evidence, "steady_heartbeats", NOW).state == "passed"
    later = judged(evidence, "steady_heartbeats", after(15 * 11 + 56))
    assert (later.state, later.done) == ("failed", False)
    assert "fallen silent" in later.say


def test_a_box_that_does_not_heed_the_command_is_given_its_own_time() -> None:
    slow = replace(proved(), beats=[beat(n, 60 * n) for n in range(5)], events=[])
    assert judged(slow, "steady_heartbeats", after(240 + 100)).state == "passed"


@pytest.mark.parametrize(
    ("levels", "state"),
    [
        ([-112, -111, -113], "failed"),
        ([-98, -97, -96], "advice"),
        ([-80, -79, -81], "passed"),
        ([-120, -80, -81, -80, -79], "passed"),
        ([-70, -70], "waiting"),
    ],
)
def test_a_weak_signal_fails_with_advice_where_to_put_the_box(levels: list[int], state: str) -> None:
    beats = [beat(n, 15 * n, signal_dbm=level) for n, level in enumerate(levels)]
    found = judged(replace(proved(), beats=beats), "signal", after(70))
    assert found.state == state
    if state == "failed":
        assert found.do is not None
        assert "window" in found.do
        assert "another operator" in found.do


def test_a_model_without_a_radio_is_asked_for_no_signal() -> None:
    wired = replace(proved(), demands=replace(DEMANDS, paths=("ethernet",)))
    assert all(each.key != "signal" for each in checklist(wired, NOW).items)


def test_a_box_on_cable_of_a_model_nobody_wrote_down_is_not_held_up_by_its_signal() -> None:
    beats = [beat(n, 15 * n, network="ethernet", signal_dbm=None) for n in range(6)]
    unknown = replace(proved(), demands=replace(DEMANDS, paths=()), beats=beats)
    assert judged(unknown, "signal", after(80)).state == "advice"


def test_mains_pulled_and_left_out_is_not_done() -> None:
    out = replace(proved(), beats=[beat(0, 0), beat(1, 15, mains=False)])
    assert judged(out, "mains", after(20)).do == "Put the mains plug back now."
    again = replace(proved(), beats=[*proved().beats, beat(12, 180, mains=False)])
    assert judged(again, "mains", after(181)).state == "waiting"


def test_mains_is_also_told_by_alarm_and_an_alarm_that_comes_late_is_put_where_it_belongs() -> None:
    beats = [beat(n, 15 * n, mains=None) for n in (0, 1, 3, 5)]
    lost = a_test("power_supply", 2, 90, proof=False)
    back = a_test("power_supply", 4, 60, proof=False, status="restored")
    assert judged(replace(proved(), beats=beats, events=[lost, back]), "mains", after(95)).state == "passed"
    assert judged(replace(proved(), beats=beats, events=[back]), "mains", after(95)).state == "waiting"


def test_a_second_path_that_was_never_tried_is_none() -> None:
    wired = replace(proved(), beats=[beat(n, 15 * n, network="ethernet") for n in range(6)])
    assert judged(wired, "path:ethernet", after(80)).state == "passed"
    waits = judged(wired, "path:mobile", after(80))
    assert (waits.state, waits.do) == ("waiting", waits.do)
    assert waits.do is not None
    assert "Pull the network cable" in waits.do


def _with(event: object) -> Evidence:
    return replace(proved(), events=[event, a_test("smoke", 5, 70)])  # type: ignore[list-item]


def test_a_test_that_no_hub_has_proves_nothing() -> None:
    never = a_test("personal_trigger", 3, 40, reached_at=None, hub=None)
    assert judged(_with(never), PENDANT, after(50)).state == "waiting"
    assert judged(_with(never), PENDANT, NOW).state == "failed"
    nobody = replace(never, hubs=0)
    assert "no hub to tell" in judged(_with(nobody), PENDANT, after(50)).say
    refused = replace(never, refused=1)
    assert judged(_with(refused), PENDANT, after(50)).state == "failed"


def test_a_test_beyond_the_limit_says_so() -> None:
    untold = a_test("personal_trigger", 3, 40, reached_at=None, told_at=None, hubs=0)
    assert "Too many tests" in judged(_with(untold), PENDANT, after(50)).say


def test_a_receipt_that_nobody_took_proves_nothing() -> None:
    deaf = a_test("personal_trigger", 3, 40, receipt="nobody")
    found = judged(_with(deaf), PENDANT)
    assert found.state == "failed"
    assert "does not listen" in found.say


def test_a_box_that_goes_on_repeating_has_no_receipt() -> None:
    once = a_test("personal_trigger", 3, 40, repeats=1, repeated_at=after(50))
    assert judged(_with(once), PENDANT, after(70)).state == "passed", "heard 26 s after its repeat, and not again"
    stubborn = replace(once, repeats=4, repeated_at=after(160))
    assert judged(_with(stubborn), PENDANT).state == "failed"


def test_a_receipt_is_believed_only_once_the_box_was_heard_without_repeating() -> None:
    fresh = a_test("personal_trigger", 12, 170)
    evidence = replace(_with(fresh), events=[fresh, a_test("smoke", 5, 70)])
    assert judged(evidence, PENDANT, after(175)).state == "waiting"
    heard = replace(evidence, beats=[*evidence.beats, beat(13, 180), beat(14, 195)])
    assert judged(heard, PENDANT, after(196)).state == "passed"


def test_another_pendant_proves_nothing_of_this_one() -> None:
    other = a_test("personal_trigger", 3, 40, peripheral_id="pendant-2")
    assert judged(_with(other), PENDANT).state == "waiting"
    low = a_test("personal_trigger", 3, 40, status="battery_low")
    assert judged(_with(low), PENDANT).state == "waiting"
    real = a_test("personal_trigger", 3, 40, proof=False)
    assert judged(_with(real), PENDANT).state == "waiting"


def test_a_model_whose_triggers_nobody_wrote_down_still_needs_one_test() -> None:
    unknown = replace(proved(), demands=Demands())
    assert item(checklist(unknown, NOW), "trigger:any").state == "passed"
    assert not checklist(replace(unknown, events=[]), NOW).complete


def test_a_trigger_is_named_as_an_engineer_calls_it() -> None:
    demands = replace(DEMANDS, triggers=(Trigger("pill_dispenser"), Trigger("personal_trigger", "wrist-2")))
    titles = [each.title for each in checklist(replace(proved(), demands=demands), NOW).items]
    assert titles[-2:] == ["Test: pill dispenser", "Test: pendant wrist-2"]
