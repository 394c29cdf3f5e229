"""When a device goes live: its checklist is complete, or somebody vouches for it by name and with a reason (an *override*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.access import Role
from services.registry.domain.lifecycle import Moved, Refused, Stage, Unchanged, illegal, legal_moves, may_vouch


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody says who asks for go-live."""

    role: Role
    override: bool = False
    reason: str | None = None


def is_asked(stage: Stage, *, overridden: bool) -> bool:
    """Whether what the checklist says matters to a device in this stage."""
    return stage in {"registered", "claimed", "installed", "commissioning"} or (stage == "live" and overridden)


def decide_go_live(
    stage: Stage, word: Word, missing: Sequence[str] | None, *, overridden: bool = False
) -> Moved | Unchanged | Refused:
    """Whether it goes live. `missing`: the checks that are not done; None is a complete checklist.

    `overridden`: it is live on somebody's word. Asked again when its checklist is complete, that word is no longer needed.
    """
    if stage == "live":
        return Moved("live") if overridden and missing is None and not word.override else Unchanged()
    if stage == "commissioning" and missing is None:
        return Moved("live")
    if not may_vouch(stage, word.role):
        return illegal(stage, "go-live", word.role)
    # Ops who give a reason for a registered device meant nothing else, before there was a word for it.
    if word.override or (stage == "registered" and word.reason):
        return _vouched(stage, word, tuple(missing or ()))
    return _unproved(stage, word, tuple(missing or ()))


def _vouched(stage: Stage, word: Word, missing: tuple[str, ...]) -> Moved | Refused:
    if not word.reason:
        detail = "To go live on your word, without a complete checklist, takes a reason."
        return Refused("reason_missing", detail, legal_moves(stage, word.role), missing)
    return Moved("live", overridden=missing)


def _unproved(stage: Stage, word: Word, missing: tuple[str, ...]) -> Refused:
    legal = legal_moves(stage, word.role)
    if stage == "registered":
        detail = "To go live without claim, installation and commissioning takes a reason."
        return Refused("reason_missing", detail, legal, missing)
    lacking = f": {', '.join(missing)}" if missing else ""
    detail = f"The checklist of this device is not complete{lacking}. It can go live with an override and a reason."
    return Refused("checks_missing", detail, legal, missing)
