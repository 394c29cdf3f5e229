"""The life of a device, from the order to the withdrawal: which stage may follow which, by whose hand.

   ordered ─ register ─→ registered ─ claim ─→ claimed ─ install ─→ installed ─ commission ─→ commissioning
                                                                             live ⇄ suspended ←─ go-live ─┘

An ordered one may be claimed at once; suspend and resume; withdraw, and replace by another device, from every stage.
One that was withdrawn by mistake is reinstated by ops, as registered: it must be proved once more.
It goes live when it was proved to work, or on somebody's word (`domain/going_live.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from contracts.access import Role

Stage: TypeAlias = Literal[
    "ordered", "registered", "claimed", "installed", "commissioning", "live", "suspended", "withdrawn"
]
Move: TypeAlias = Literal[
    "register", "claim", "install", "commission", "go-live", "suspend", "resume", "replace", "withdraw", "reinstate"
]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
MOVES: Final[tuple[Move, ...]] = get_args(Move)

_END: Final[Mapping[Move, Stage]] = MappingProxyType({"replace": "withdrawn", "withdraw": "withdrawn"})
_LEGAL: Final[Mapping[Stage, Mapping[Move, Stage]]] = MappingProxyType(
    {
        "ordered": {"register": "registered", "claim": "claimed", **_END},
        "registered": {"claim": "claimed", **_END},
        "claimed": {"install": "installed", **_END},
        "installed": {"commission": "commissioning", **_END},
        "commissioning": {"go-live": "live", **_END},
        "live": {"suspend": "suspended", **_END},
        "suspended": {"resume": "live", **_END},
        "withdrawn": {"reinstate": "registered"},
    }
)
_TARGET: Final[Mapping[Move, Stage]] = MappingProxyType({m: s for moves in _LEGAL.values() for m, s in moves.items()})

_OPS_ALONE: Final[frozenset[Move]] = frozenset({"reinstate"})

# Ops may vouch for a device that was never commissioned, because homes are migrated whose devices work already. An engineer may
# for one that he is commissioning: he was there, and a check may be impossible in that home; but he may not skip the checks.
# What is not on the register yet, or was taken off the watch, nobody can vouch for.
_VOUCHED_FOR: Final[Mapping[Role, frozenset[Stage]]] = MappingProxyType(
    {
        "ops": frozenset[Stage]({"registered", "claimed", "installed", "commissioning"}),
        "engineer": frozenset[Stage]({"commissioning"}),
    }
)


@dataclass(frozen=True, slots=True)
class Moved:
    """The device enters this stage; `overridden`: on somebody's word, though these checks are missing."""

    stage: Stage
    overridden: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The device is there already: a request repeated over a poor line is no error."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The move is not made; `detail` says why to a person, `legal` which moves would be, `missing` which checks are."""

    reason: Literal["illegal_move", "reason_missing", "checks_missing"]
    detail: str
    legal: tuple[Move, ...]
    missing: tuple[str, ...] = ()


def legal_moves(stage: Stage, role: Role, *, replaced: bool = False) -> tuple[Move, ...]:
    """What this role may do next with a device in this stage; `replaced`: another stands in its place."""
    moves = tuple(move for move in _LEGAL[stage] if move not in _OPS_ALONE or (role == "ops" and not replaced))
    return (*moves, "go-live") if may_vouch(stage, role) and "go-live" not in moves else moves


def may_vouch(stage: Stage, role: Role) -> bool:
    """Whether this role may put a device in this stage live on their word."""
    return stage in _VOUCHED_FOR.get(role, frozenset())


def decide(
    stage: Stage, move: Move, *, role: Role, reason: str | None = None, replaced: bool = False
) -> Moved | Unchanged | Refused:
    """Whether `move` may be made from `stage`; of go-live, whether it could be (`going_live.decide_go_live` says if it is).

    `replaced`: another device stands in its place.
    """
    legal = legal_moves(stage, role, replaced=replaced)
    target = _LEGAL[stage].get(move)
    if target is None or move not in legal:
        return Unchanged() if stage == _TARGET[move] else illegal(stage, move, role, replaced=replaced)
    if not reason and _takes_a_reason(stage, move):
        return Refused("reason_missing", f"To {move} a device that is {stage} takes a reason.", legal)
    return Moved(target)


def _takes_a_reason(stage: Stage, move: Move) -> bool:
    """Somebody lives with a device that is live or suspended; and one that was withdrawn was so for a reason."""
    return move == "reinstate" or (move == "withdraw" and stage in {"live", "suspended"})


def illegal(stage: Stage, move: Move, role: Role, *, replaced: bool = False) -> Refused:
    """The refusal of a move that this stage does not allow, in a sentence that says what is possible."""
    legal = legal_moves(stage, role, replaced=replaced)
    possible = f"possible: {', '.join(legal)}" if legal else "nothing more is possible"
    return Refused("illegal_move", f"A device that is {stage} cannot {move}; {possible}.", legal)
