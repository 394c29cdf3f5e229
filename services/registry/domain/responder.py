"""From a responder as it is to what it shall be: which contact stays, which is new, and whether it must be verified again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.rota import Rota
from services.registry.domain.address import MASK, Medium, masked, normal

RESPONDERS_MAX: Final = 50
"""Of one council: at the top of the ladder all who are on duty are told at once, and again and again."""


@dataclass(frozen=True, slots=True)
class Known:
    """A responder as it is; `address` is None where it can't be read any more."""

    kind: Medium
    address: str | None
    rota: Rota


@dataclass(frozen=True, slots=True)
class WantedResponder:
    """A responder as it shall be. What is None stays as it is; so does an address that is sent back masked."""

    kind: Medium | None = None
    name: str | None = None
    address: str | None = None
    rota: Rota | None = None
    position: int | None = None
    verified: bool | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be written; `address` is None when the one that is kept stays, and so does its verification."""

    kind: Medium
    address: str | None
    rota: Rota


@dataclass(frozen=True, slots=True)
class Misfit:
    """It can't be as wanted, for these fields; nothing is done."""

    faults: Sequence[tuple[str, str]]


def settle_new(wanted: WantedResponder) -> Settled | Misfit:
    """What a new responder is: everything has to be given, but for the rota; without one it is always on duty."""
    if wanted.kind is None or wanted.name is None or wanted.address is None:
        missing = [name for name in ("kind", "name", "address") if getattr(wanted, name) is None]
        return Misfit([(name, "a new responder needs one") for name in missing])
    return _moved(wanted.kind, wanted.address, wanted.rota or ())


def settle(known: Known, wanted: WantedResponder) -> Settled | Misfit:
    """What becomes of a responder that there is."""
    kind = wanted.kind or known.kind
    rota = known.rota if wanted.rota is None else wanted.rota
    if wanted.address is None or _sent_back(wanted.address, known):
        if kind == known.kind:
            return Settled(kind, None, rota)
        return Misfit([("address", "another kind needs another address: give it whole")])
    settled = _moved(kind, wanted.address, rota)
    if isinstance(settled, Settled) and (kind, settled.address) == (known.kind, known.address):
        return Settled(kind, None, rota)
    return settled


def _moved(kind: Medium, address: str, rota: Rota) -> Settled | Misfit:
    if MASK in address:
        return Misfit([("address", "this is masked: give the whole address, or leave it out to keep the one there is")])
    try:
        return Settled(kind, normal(kind, address), rota)
    except ValueError as fault:
        return Misfit([("address", str(fault))])


def _sent_back(address: str, known: Known) -> bool:
    return known.address is not None and address == masked(known.kind, known.address)
