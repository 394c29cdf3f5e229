"""Which escalation policies a council may have: no slip of the hand leaves somebody on the floor."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.policy import DEFAULT_POLICY, Policy
from contracts.vocabulary import Priority

Change = Callable[[dict[str, Any]], object]


def faults(change: Change) -> dict[str, str]:
    """What is refused of the default policy after this change: field → message."""
    policy = DEFAULT_POLICY.model_dump(mode="json")
    change(policy)
    with pytest.raises(ValidationError) as refused:
        Policy.model_validate_json(json.dumps(policy))
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in refused.value.errors()}


def test_the_default_is_read_back_as_it_was_written() -> None:
    assert Policy.model_validate_json(DEFAULT_POLICY.model_dump_json()) == DEFAULT_POLICY
    assert Policy.model_validate(DEFAULT_POLICY.model_dump(mode="json")) == DEFAULT_POLICY


def test_each_priority_has_its_ladder() -> None:
    ladders = [DEFAULT_POLICY.of(priority) for priority in Priority if priority <= Priority.DEGRADED]
    assert ladders == [DEFAULT_POLICY.life, DEFAULT_POLICY.welfare, DEFAULT_POLICY.unprotected, DEFAULT_POLICY.degraded]


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        (lambda p: p["life"]["steps"][0].update(after_s=1), "life.steps", "after_s 0"),
        (lambda p: p["life"]["steps"][1].update(after_s=0), "life.steps", "larger after_s"),
        (lambda p: p["welfare"]["steps"][2].update(after_s=180), "welfare.steps", "larger after_s"),
        (lambda p: p["life"]["steps"][0].update(hubs=3), "life.steps", "as many hubs"),
        (lambda p: p["life"]["steps"][0].update(hubs=None), "life.steps", "as many hubs"),
        (lambda p: p["life"]["steps"][1].update(responders=True, after_s=1) or p["life"]["steps"][2].update(responders=False),
         "life.steps", "responders true"),
        (lambda p: p["degraded"]["steps"][1].update(hubs=2), "degraded.steps", "hubs null"),
        (lambda p: p["life"]["steps"].clear(), "life.steps", "at least 1"),
        (lambda p: p["life"]["steps"][0].update(hubs=0), "life.steps.0.hubs", "greater than or equal to 1"),
        (lambda p: p["life"]["steps"][0].update(hubs=51), "life.steps.0.hubs", "less than or equal to 50"),
        (lambda p: p["life"]["steps"][0].update(hubs=True), "life.steps.0.hubs", "integer"),
        (lambda p: p["life"]["steps"][0].pop("hubs"), "life.steps.0.hubs", "required"),
        (lambda p: p["unprotected"].update(follow_up_after_s=86_401), "unprotected.follow_up_after_s", "86400"),
        (lambda p: p["unprotected"].update(repeat_every_s=14), "unprotected.repeat_every_s", "15"),
        (lambda p: p["unprotected"].update(follow_up_after_s=59), "unprotected.follow_up_after_s", "60"),
        (lambda p: p["life"].update(undelivered_after_s=61), "life", "undelivered_after_s: give at most 60"),
        (lambda p: p["life"]["steps"][2].update(after_s=601), "life", "last step: give at most 600"),
        (lambda p: p["life"].update(repeat_every_s=121), "life", "repeat_every_s: give at most 120"),
        (lambda p: p["life"].update(press_again_within_s=None), "life", "press_again_within_s: give at least 60"),
        (lambda p: p["welfare"].update(repeat_every_s=1801), "welfare", "repeat_every_s: give at most 1800"),
        (lambda p: p["unprotected"].update(rises_after_s=3600), "unprotected", "only degraded alarms rise"),
        (lambda p: p["life"].update(retries=3), "life.retries", "not permitted"),
        (lambda p: p.pop("welfare"), "welfare", "required"),
    ],
)  # fmt: skip
def test_a_ladder_that_would_leave_somebody_waiting_is_refused_naming_it(change: Change, field: str, told: str) -> None:
    assert told in faults(change)[field]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    def change(policy: dict[str, Any]) -> None:
        policy["life"].update(undelivered_after_s=61, repeat_every_s=121)
        policy["degraded"]["steps"].clear()

    found = faults(change)
    assert found.keys() == {"life", "degraded.steps"}
    assert "undelivered_after_s" in found["life"]
    assert "repeat_every_s" in found["life"]
