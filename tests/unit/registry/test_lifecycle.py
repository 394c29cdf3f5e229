"""The stages of a device: whatever is asked in whatever order, only legal moves are made."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.access import Role
from services.registry.domain.lifecycle import (
    MOVES,
    STAGES,
    Move,
    Moved,
    Refused,
    Stage,
    Unchanged,
    decide,
    legal_moves,
)

ROLES: tuple[Role, ...] = ("ops", "engineer", "hub", "viewer")


class Life(RuleBasedStateMachine):
    """One device, moved at random by everybody."""

    def __init__(self) -> None:
        super().__init__()
        self.stage: Stage = "registered"
        self.path: list[Stage] = ["registered"]
        self.vouched = False

    @rule(move=st.sampled_from(MOVES), role=st.sampled_from(ROLES), reason=st.sampled_from([None, "", "migrated"]))
    def ask(self, move: Move, role: Role, reason: str | None) -> None:
        verdict = decide(self.stage, move, role=role, reason=reason)
        assert (move in legal_moves(self.stage, role)) == (
            isinstance(verdict, Moved) or (isinstance(verdict, Refused) and verdict.reason == "reason_missing")
        )
        if isinstance(verdict, Moved):
            self.vouched |= self.stage == "registered" and verdict.stage == "live"
            assert verdict.stage != self.stage
            self.stage = verdict.stage
            self.path.append(verdict.stage)
        elif isinstance(verdict, Refused):
            assert verdict.detail
            assert verdict.legal == legal_moves(self.stage, role)

    @invariant()
    def nothing_is_live_that_was_not_commissioned_or_vouched_for(self) -> None:
        if "live" in self.path and not self.vouched:
            assert self.path[: self.path.index("live")] == ["registered", "claimed", "installed", "commissioning"]

    @invariant()
    def a_withdrawal_is_the_end(self) -> None:
        assert "withdrawn" not in self.path[:-1]


TestLife = Life.TestCase


def test_only_ops_vouch_for_a_device_and_only_with_a_reason() -> None:
    assert decide("registered", "go-live", role="ops", reason="migrated") == Moved("live")
    for role, reason, why in (
        ("ops", None, "reason_missing"),
        ("ops", "", "reason_missing"),
        ("engineer", "migrated", "illegal_move"),
    ):
        verdict = decide("registered", "go-live", role=role, reason=reason)  # type: ignore[arg-type]  # a role, widened
        assert isinstance(verdict, Refused)
        assert verdict.reason == why


def test_a_move_made_again_is_no_error_but_another_way_to_the_same_stage_is_not_forgotten() -> None:
    assert decide("claimed", "claim", role="engineer", reason=None) == Unchanged()
    assert decide("live", "go-live", role="engineer", reason=None) == Unchanged()
    assert isinstance(decide("claimed", "go-live", role="ops", reason="hurry"), Refused)


def test_every_stage_but_the_last_can_be_withdrawn_from() -> None:
    assert [stage for stage in STAGES if "withdraw" not in legal_moves(stage, "engineer")] == ["withdrawn"]
