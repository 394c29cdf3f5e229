"""The stages of a device: which move is legal, who may vouch for a device, and when a reason or a check is missing."""

import pytest

from contracts.access import Role
from services.registry.domain.going_live import Word, decide_go_live
from services.registry.domain.lifecycle import MOVES, STAGES, Moved, Refused, Stage, Unchanged, decide, legal_moves

ROLES: tuple[Role, ...] = ("ops", "engineer", "hub", "viewer")
MISSING = ("mains",)


def refusal(verdict: object) -> str:
    assert isinstance(verdict, Refused), verdict
    assert verdict.detail
    return verdict.reason


def test_every_stage_says_which_moves_are_possible_and_makes_only_those() -> None:
    for stage in STAGES:
        for role in ROLES:
            legal = legal_moves(stage, role)
            for move in MOVES:
                if move == "go-live":
                    continue
                verdict = decide(stage, move, role=role, reason="as agreed")
                assert isinstance(verdict, Moved) == (move in legal)
                if isinstance(verdict, Refused):
                    assert verdict.legal == legal
                    assert all(each in verdict.detail for each in legal)


def test_a_device_is_proved_by_its_checklist_and_then_nobody_need_vouch() -> None:
    assert decide_go_live("commissioning", Word("engineer"), None) == Moved("live")
    assert decide_go_live("commissioning", Word("engineer", override=True, reason="to be sure"), None) == Moved("live")


def test_what_is_missing_keeps_a_device_from_going_live_and_is_named() -> None:
    verdict = decide_go_live("commissioning", Word("engineer"), MISSING)
    assert refusal(verdict) == "checks_missing"
    assert isinstance(verdict, Refused)
    assert verdict.missing == MISSING
    assert "mains" in verdict.detail


@pytest.mark.parametrize(
    ("stage", "role", "may"),
    [
        ("ordered", "ops", False),
        ("registered", "ops", True),
        ("claimed", "ops", True),
        ("installed", "ops", True),
        ("commissioning", "ops", True),
        ("suspended", "ops", False),
        ("withdrawn", "ops", False),
        ("registered", "engineer", False),
        ("installed", "engineer", False),
        ("commissioning", "engineer", True),
        ("commissioning", "viewer", False),
        ("commissioning", "hub", False),
    ],
)
def test_who_may_vouch_for_a_device(stage: Stage, role: Role, *, may: bool) -> None:
    verdict = decide_go_live(stage, Word(role, override=True, reason="migrated"), MISSING)
    if may:
        assert verdict == Moved("live", overridden=MISSING)
    else:
        assert refusal(verdict) == "illegal_move"


def test_nobody_vouches_without_a_reason() -> None:
    for reason in (None, ""):
        for stage in ("registered", "claimed", "commissioning"):
            word = Word("ops", override=True, reason=reason)
            assert refusal(decide_go_live(stage, word, MISSING)) == "reason_missing"


def test_ops_who_give_a_reason_for_a_registered_device_vouch_for_it_and_for_no_other() -> None:
    assert decide_go_live("registered", Word("ops", reason="migrated"), ()) == Moved("live", overridden=())
    assert refusal(decide_go_live("registered", Word("ops"), ())) == "reason_missing"
    assert refusal(decide_go_live("claimed", Word("ops", reason="hurry"), MISSING)) == "checks_missing"
    assert refusal(decide_go_live("registered", Word("engineer", reason="trust me"), ())) == "illegal_move"


def test_a_device_that_is_live_on_somebodys_word_is_live_by_itself_once_it_was_proved() -> None:
    assert decide_go_live("live", Word("engineer"), None, overridden=True) == Moved("live")
    assert decide_go_live("live", Word("engineer"), MISSING, overridden=True) == Unchanged()
    assert decide_go_live("live", Word("engineer"), None) == Unchanged()


def test_a_move_made_again_is_no_error_but_another_way_to_the_same_stage_is_not_forgotten() -> None:
    assert decide("claimed", "claim", role="engineer") == Unchanged()
    assert decide("live", "resume", role="engineer") == Unchanged()
    assert refusal(decide("claimed", "register", role="ops")) == "illegal_move"


def test_every_stage_but_the_last_can_be_withdrawn_from_and_replaced() -> None:
    for move in ("withdraw", "replace"):
        assert [stage for stage in STAGES if move not in legal_moves(stage, "engineer")] == ["withdrawn"]


def test_nobody_is_cut_off_without_a_reason() -> None:
    for stage in STAGES[:-1]:
        verdict = decide(stage, "withdraw", role="engineer")
        if stage in {"live", "suspended"}:
            assert refusal(verdict) == "reason_missing"
        else:
            assert verdict == Moved("withdrawn")


def test_what_was_withdrawn_by_mistake_comes_back_by_ops_with_a_reason_and_must_be_proved() -> None:
    assert decide("withdrawn", "reinstate", role="ops", reason="another was meant") == Moved("registered")
    assert refusal(decide("withdrawn", "reinstate", role="ops")) == "reason_missing"
    assert refusal(decide("withdrawn", "reinstate", role="engineer", reason="another was meant")) == "illegal_move"
    assert refusal(decide("live", "reinstate", role="ops", reason="another was meant")) == "illegal_move"
    replaced = decide("withdrawn", "reinstate", role="ops", reason="another was meant", replaced=True)
    assert isinstance(replaced, Refused)
    assert (replaced.reason, replaced.legal) == ("illegal_move", ())
