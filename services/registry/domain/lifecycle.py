"""The life of a device, from the order to the withdrawal: which stage may follow which, by whose hand.

   ordered ─┬─ claim ─→ claimed ─ install ─→ installed ─ commission ─→ commissioning ─ go-live ─→ live ⇄ suspended
registered ─┘                                                     (suspend and resume; withdraw from every stage)
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
Move: TypeAlias = Literal["claim", "install", "commission", "go-live", "suspend", "resume", "withdraw"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
MOVES: Final[tuple[Move, ...]] = get_args(Move)

_LEGAL: Final[Mapping[Stage, Mapping[Move, Stage]]] = MappingProxyType(
    {
        "ordered": {"claim": "claimed", "withdraw": "withdrawn"},
        "registered": {"claim": "claimed", "withdraw": "withdrawn"},
        "claimed": {"install": "installed", "withdraw": "withdrawn"},
        "installed": {"commission": "commissioning", "withdraw": "withdrawn"},
        "commissioning": {"go-live": "live", "withdraw": "withdrawn"},
        "live": {"suspend": "suspended", "withdraw": "withdrawn"},
        "suspended": {"resume": "live", "withdraw": "withdrawn"},
        "withdrawn": {},
    }
)
_TARGET: Final[Mapping[Move, Stage]] = MappingProxyType({m: s for moves in _LEGAL.values() for m, s in moves.items()})


@dataclass(frozen=True, slots=True)
class Moved:
    """The device enters this stage."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The device is there already: a request repeated over a poor line is no error."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The move is not made; `detail` says why to a person, `legal` which moves would be."""

    reason: Literal["illegal_move", "reason_missing"]
    detail: str
    legal: tuple[Move, ...]


def legal_moves(stage: Stage, role: Role) -> tuple[Move, ...]:
    """What this role may do next with a device in this stage."""
    moves = tuple(_LEGAL[stage])
    return (*moves, "go-live") if _may_vouch(stage, role) else moves


def decide(stage: Stage, move: Move, *, role: Role, reason: str | None) -> Moved | Unchanged | Refused:
    """Whether `move` may be made from `stage`. Ops may put a registered device live on their word, with a reason."""
    target = _LEGAL[stage].get(move)
    if target is not None:
        return Moved(target)
    if stage == _TARGET[move]:
        return Unchanged()
    legal = legal_moves(stage, role)
    if move == "go-live" and _may_vouch(stage, role):
        if reason:
            return Moved("live")
        detail = "To go live without claim, installation and commissioning takes a reason."
        return Refused("reason_missing", detail, legal)
    possible = f"possible: {', '.join(legal)}" if legal else "nothing more is possible"
    return Refused("illegal_move", f"A device that is {stage} cannot {move}; {possible}.", legal)


def _may_vouch(stage: Stage, role: Role) -> bool:
    return role == "ops" and stage == "registered"
