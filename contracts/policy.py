"""The escalation policy of a council: how long we wait for people, and who is told next.

The registry keeps and validates it, alerts acts on it. Every version stays for ever: an alarm keeps the one it began with.
"""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.vocabulary import Priority

HUBS_MAX: Final = 50
"""The most hubs that a council may be routed to."""

_DAY_S: Final = 86_400
_PRESS_AGAIN_S_MIN: Final = 60
# An alarm is looked at again within a day of its last change (a CHECK of its table): no wait is longer.
Seconds: TypeAlias = Annotated[int, Field(ge=1, le=_DAY_S)]
# Everybody is told again so often, for ever, texts included: a slip of the hand may not drown whoever shall help.
Rounds: TypeAlias = Annotated[int, Field(ge=15, le=_DAY_S)]
FollowUps: TypeAlias = Annotated[int, Field(ge=60, le=_DAY_S)]
Days: TypeAlias = Annotated[int, Field(ge=60, le=30 * _DAY_S)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Step(_Strict):
    """A rung: `after_s` seconds from the ladder's start these are told, whoever was told before."""

    after_s: Annotated[int, Field(ge=0, le=_DAY_S)]
    hubs: Annotated[int, Field(ge=1, le=HUBS_MAX)] | None = Field(
        description="The council's first so many; null: every one."
    )
    responders: bool = Field(default=False, description="And the council's responders, by their rota.")


class Ladder(_Strict):
    """What is done with an alarm of one priority until a person has taken it. All times in seconds."""

    # Not strict about what holds the steps: a body read by FastAPI comes as a list.
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=10, strict=False)]
    undelivered_after_s: Seconds = Field(
        description="No hub has the alarm by then, or all that were told refused it for good: the next step at once."
    )
    repeat_every_s: Rounds = Field(description="At the top: everybody is told again, for ever.")
    press_again_within_s: Seconds | None = Field(
        default=None,
        description="The same event again so soon after the last one, and nobody has taken the alarm: the next step at once.",
    )
    follow_up_after_s: FollowUps = Field(description="Acknowledged and not closed: its hubs are told again.")
    repair_within_s: Days | None = Field(
        default=None, description="The fault clock: overdue and told to every hub then."
    )
    rises_after_s: Days | None = Field(default=None, description="Not closed by then: it becomes more urgent by one.")

    @field_validator("steps")
    @classmethod
    def _climb(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if steps[0].after_s != 0:
            raise ValueError("the first step is at once: give it after_s 0")
        if any(later.after_s <= earlier.after_s for earlier, later in pairwise(steps)):
            raise ValueError("each step comes later than the one before it: give it a larger after_s")
        if any(_hubs(later) < _hubs(earlier) for earlier, later in pairwise(steps)):
            raise ValueError("no step tells fewer hubs than the one before it: give it as many hubs, or null")
        if any(earlier.responders and not later.responders for earlier, later in pairwise(steps)):
            raise ValueError("once responders are told, they are told at every later step: give it responders true")
        if steps[-1].hubs is not None:
            raise ValueError("the last step tells every hub: give it hubs null")
        return steps


class Policy(_Strict):
    """One ladder per priority. 5 is stored and told once: it has no ladder."""

    life: Ladder
    welfare: Ladder
    unprotected: Ladder
    degraded: Ladder

    @field_validator("life")
    @classmethod
    def _life_waits_minutes(cls, life: Ladder) -> Ladder:
        if (life.press_again_within_s or 0) < _PRESS_AGAIN_S_MIN:
            raise ValueError(f"press_again_within_s: give at least {_PRESS_AGAIN_S_MIN}: who presses twice means it")
        return _within(life, undelivered_s=60, everybody_s=600, repeat_s=120)

    @field_validator("welfare")
    @classmethod
    def _welfare_waits_an_hour(cls, welfare: Ladder) -> Ladder:
        return _within(welfare, undelivered_s=300, everybody_s=3600, repeat_s=1800)

    @field_validator("life", "welfare", "unprotected")
    @classmethod
    def _only_degraded_rises(cls, ladder: Ladder) -> Ladder:
        if ladder.rises_after_s is not None:
            raise ValueError("only degraded alarms rise by themselves: leave rises_after_s out, or give null")
        return ladder

    def of(self, priority: Priority) -> Ladder:
        """The ladder of a priority. What is only stored (5) is never waited for, so that any ladder will do."""
        match priority:
            case Priority.LIFE:
                return self.life
            case Priority.WELFARE:
                return self.welfare
            case Priority.UNPROTECTED:
                return self.unprotected
            case _:
                return self.degraded


def _hubs(step: Step) -> int:
    return HUBS_MAX + 1 if step.hubs is None else step.hubs


def _within(ladder: Ladder, *, undelivered_s: int, everybody_s: int, repeat_s: int) -> Ladder:
    """The ladder, if it waits no longer than this: a slip of the hand may not leave somebody on the floor."""
    told = {
        "undelivered_after_s": (ladder.undelivered_after_s, undelivered_s),
        "after_s of the last step": (ladder.steps[-1].after_s, everybody_s),
        "repeat_every_s": (ladder.repeat_every_s, repeat_s),
    }
    faults = [f"{name}: give at most {bound}" for name, (given, bound) in told.items() if given > bound]
    if faults:
        raise ValueError("; ".join(faults))
    return ladder


def seconds(value: int) -> timedelta:
    """A policy's number as a duration."""
    return timedelta(seconds=value)


DEFAULT_POLICY_ID: Final = 0
"""The id of the policy below, of councils that have none of their own."""

DEFAULT_POLICY: Final = Policy(
    # TSA: 97.5 % of calls answered within 60 s, 99 % within 180 s.
    life=Ladder(
        steps=(
            Step(after_s=0, hubs=1),
            Step(after_s=60, hubs=2),
            Step(after_s=180, hubs=None, responders=True),
        ),
        undelivered_after_s=15,
        repeat_every_s=60,
        press_again_within_s=600,
        follow_up_after_s=3600,
    ),
    welfare=Ladder(
        steps=(
            Step(after_s=0, hubs=1),
            Step(after_s=180, hubs=2),
            Step(after_s=600, hubs=None, responders=True),
        ),
        undelivered_after_s=30,
        repeat_every_s=300,
        press_again_within_s=600,
        follow_up_after_s=4 * 3600,
    ),
    # A fault that disables an alarm is repaired within 48 h (providers' promise).
    unprotected=Ladder(
        steps=(Step(after_s=0, hubs=1), Step(after_s=3600, hubs=2), Step(after_s=4 * 3600, hubs=None)),
        undelivered_after_s=300,
        repeat_every_s=4 * 3600,
        follow_up_after_s=_DAY_S,
        repair_within_s=48 * 3600,
    ),
    degraded=Ladder(
        steps=(Step(after_s=0, hubs=1), Step(after_s=8 * 3600, hubs=None)),
        undelivered_after_s=900,
        repeat_every_s=_DAY_S,
        follow_up_after_s=_DAY_S,
        rises_after_s=_DAY_S,
    ),
)
