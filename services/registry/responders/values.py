"""Responders as they are told of, and how their register answers: refusals are values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from contracts.rota import Rota
from services.registry.domain.address import Medium
from services.registry.domain.responder import Misfit


@dataclass(frozen=True, slots=True)
class Responder:
    """Somebody who is called when hubs are not enough. Its address is masked; what can't be read any more is null."""

    responder_id: UUID
    council_id: str
    position: int
    kind: Medium
    name: str | None
    address: str | None
    rota: Rota
    verified: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownCouncil:
    """There is no such council."""


@dataclass(frozen=True, slots=True)
class UnknownResponder:
    """The council has no such responder."""


@dataclass(frozen=True, slots=True)
class AddressTaken:
    """Another responder of the council has this address: every call would come twice."""

    responder_id: UUID


@dataclass(frozen=True, slots=True)
class TooMany:
    """The council has as many responders as it may."""


Refusal: TypeAlias = UnknownCouncil | UnknownResponder | Misfit | AddressTaken | TooMany
