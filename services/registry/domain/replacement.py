"""One device takes another's place in a home: what it takes over, and when it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from services.registry.domain.device import Device
from services.registry.domain.lifecycle import Unchanged

# Of the home, and so the successor's as well. Not what is of the box (serial, SIM, notes), nor `sole_trigger`: a trigger that is
# paired anew may have another id, and with an unknown one the failure of any counts as the failure of the only one.
TAKEN_OVER: Final = ("council_id", "postcode_district", "installation_ref", "replaces_analogue")


@dataclass(frozen=True, slots=True)
class Replaced:
    """The successor becomes so in these fields."""

    taken: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotReplaced:
    """Nothing changes; `detail` says why to a person."""

    reason: Literal[
        "same_device", "replaced_already", "successor_withdrawn", "successor_elsewhere", "successor_replaces_another"
    ]
    detail: str


def decide_replacement(old: Device, new: Device, *, new_replaces: str | None) -> Replaced | Unchanged | NotReplaced:
    """Whether `new` may take the place of `old`. `new_replaces`: whose place it has taken already.

    An old one that was withdrawn may be told its successor afterwards. A successor may be in any stage: a dead box is replaced
    first and the new one commissioned then, a working one stays until the new one is live.
    """
    if old.replaced_by == new.device_id:
        return Unchanged()
    hindrance = _hindrance(old, new, new_replaces)
    if hindrance is not None:
        return hindrance
    taken = {name: value for name in TAKEN_OVER if (value := getattr(old, name)) not in {None, getattr(new, name)}}
    return Replaced(taken)


def _hindrance(old: Device, new: Device, new_replaces: str | None) -> NotReplaced | None:
    if old.replaced_by is not None:
        detail = f"{old.device_id} was replaced by {old.replaced_by} already; replace that one."
        return NotReplaced("replaced_already", detail)
    if old.device_id == new.device_id:
        return NotReplaced("same_device", f"{old.device_id} cannot take its own place.")
    if new.stage == "withdrawn":
        return NotReplaced("successor_withdrawn", f"{new.device_id} is withdrawn, and can take nobody's place.")
    if new_replaces is not None:
        detail = f"{new.device_id} stands in the place of {new_replaces} already."
        return NotReplaced("successor_replaces_another", detail)
    if new.installation_ref not in {None, old.installation_ref}:
        detail = f"{new.device_id} belongs to another home: its installation_ref is another."
        return NotReplaced("successor_elsewhere", detail)
    return None
