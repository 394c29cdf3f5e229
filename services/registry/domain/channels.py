"""From the channels that a hub has to those that it shall have: which stays, which moves, which is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from uuid import UUID

from services.registry.domain.address import MASK, Medium, masked

ChannelKind: TypeAlias = Literal["webhook", "mqtt", "email", "sms"]

MEDIA: Final[dict[ChannelKind, Medium]] = {"email": "email", "sms": "sms"}


@dataclass(frozen=True, slots=True)
class Existing:
    """A channel as it is; `address` is None where there is none, or where it can't be read any more."""

    channel_id: UUID
    kind: ChannelKind
    url: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A channel as it shall be. Without `channel_id` it is the one of this kind, URL and address, or a new one.

    Of one that exists, what is None stays: URL, address (as does one sent back masked), secret, verification.
    """

    kind: ChannelKind
    channel_id: UUID | None = None
    url: str | None = None
    address: str | None = None
    secret: str | None = None
    verified: bool | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A wanted channel with the one it was found to be; `moved`: it leads elsewhere now, so its verification is void."""

    wanted: Wanted
    channel_id: UUID | None
    url: str | None
    address: str | None
    moved: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a wanted channel, counted from nought; `field` is None for the channel as such."""

    position: int
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """Channels that can't be as wanted; nothing is done."""

    faults: Sequence[Fault]


def plan(existing: Sequence[Existing], wanted: Sequence[Wanted]) -> list[Planned] | Unfit:
    """One Planned for each wanted channel, in order; or all that is wrong."""
    named = {each.channel_id for each in wanted}
    by_id = {each.channel_id: each for each in existing}
    # One whose address can't be read any more is found by its id only: nobody knows whether it is the one that is meant.
    free = {
        (each.kind, each.url, each.address): each
        for each in existing
        if each.channel_id not in named and (each.kind not in MEDIA or each.address is not None)
    }
    planned: list[Planned] = []
    faults: list[Fault] = []
    for position, each in enumerate(wanted):
        target = (each.kind, each.url, each.address)
        found = free.get(target) if each.channel_id is None else by_id.pop(each.channel_id, None)
        fault = _fault(position, each, found)
        if fault is None:
            planned.append(_planned(each, found))
        else:
            faults.append(fault)
    faults = faults or _twice(planned)
    return Unfit(faults) if faults else planned


def _fault(position: int, wanted: Wanted, found: Existing | None) -> Fault | None:
    if wanted.channel_id is not None and found is None:
        return Fault(position, "channel_id", "no such channel of this hub, or named twice; leave it out for a new one")
    if found is not None and found.kind != wanted.kind:
        return Fault(position, "kind", f"this channel is of kind {found.kind}; leave channel_id out for a new one")
    if wanted.address is not None and MASK in wanted.address and not _sent_back(wanted, found):
        return Fault(
            position, "address", "this is masked: give the whole address, or leave it out to keep the channel's"
        )
    missing = _missing(wanted) if found is None else None
    return None if missing is None else Fault(position, *missing)


def _missing(wanted: Wanted) -> tuple[str, str] | None:
    if wanted.kind == "webhook" and wanted.url is None:
        return "url", "a webhook needs a URL"
    if wanted.kind == "webhook" and wanted.secret is None:
        return "secret", "a new webhook needs a secret"
    if wanted.kind in MEDIA and wanted.address is None:
        return (
            "address",
            "an e-mail channel needs an address" if wanted.kind == "email" else "a text channel needs a number",
        )
    return None


def _sent_back(wanted: Wanted, found: Existing | None) -> bool:
    if found is None or wanted.kind not in MEDIA:
        return False
    return found.address is not None and wanted.address == masked(MEDIA[wanted.kind], found.address)


def _planned(wanted: Wanted, found: Existing | None) -> Planned:
    if found is None:
        return Planned(wanted, None, wanted.url, wanted.address, moved=False)
    url = found.url if wanted.url is None else wanted.url
    address = found.address if wanted.address is None or _sent_back(wanted, found) else wanted.address
    moved = (url, address) != (found.url, found.address)
    return Planned(wanted, found.channel_id, url, address, moved)


def _twice(planned: Sequence[Planned]) -> list[Fault]:
    seen: set[tuple[str, str | None, str | None]] = set()
    faults = []
    for position, each in enumerate(planned):
        target = (each.wanted.kind, each.url, each.address)
        # Of an address that can't be read any more nobody knows whether it is the same.
        if target in seen and (each.wanted.kind not in MEDIA or each.address is not None):
            faults.append(Fault(position, None, "the same channel twice: every alarm would come twice"))
        seen.add(target)
    return faults
