"""A device as the registry knows it; and the finest place that is kept of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.registry.domain.lifecycle import Stage

_DISTRICT = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]?")
_FULL_POSTCODE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?) ?[0-9][A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Device:
    """A unit in a home. `installation_ref` means something only to the hub; `live_at` is when it first went live.

    `overridden_at` and what follows it: it went live on somebody's word, the last time. `suspended_until` is the end that was
    expected, and ends nothing. `replaced_by` stands in its place.
    """

    device_id: str
    council_id: str
    serial: str
    model: str
    postcode_district: str | None
    sim_operator: str | None
    iccid: str | None
    installation_ref: str | None
    replaces_analogue: str | None
    sole_trigger: str | None
    notes: str | None
    stage: Stage
    registered_at: datetime
    changed_at: datetime
    live_at: datetime | None
    suspended_until: datetime | None
    overridden_at: datetime | None
    overridden_by: str | None
    override_reason: str | None
    override_missing: Sequence[str] | None
    replaced_by: str | None


def postcode_district(text: str) -> str:
    """The postcode district in capitals. Raises ValueError, in a sentence, for a full postcode and for what is none."""
    district = " ".join(text.upper().split())
    if _DISTRICT.fullmatch(district):
        return district
    if full := _FULL_POSTCODE.fullmatch(district):
        raise ValueError(
            f"give the district only ({full[1]}): a full postcode tells nearly which home it is, and is not kept"
        )
    raise ValueError("not a postcode district, such as G12 or EH1")


def iccid(text: str) -> str:
    """The number of a SIM, its digits alone. Raises ValueError, in a sentence, for what is none."""
    digits = re.sub(r"[ -]", "", text).removesuffix("F").removesuffix("f")
    if re.fullmatch(r"89[0-9]{16,20}", digits):
        return digits
    if re.fullmatch(r"[0-9][.,][0-9]+[eE]\+?[0-9]+", text):
        raise ValueError("the spreadsheet has shortened this number: format the column as text, and enter it again")
    raise ValueError("not the number of a SIM (18 to 22 digits that begin with 89)")


def differing(device: Device, wanted: Mapping[str, object]) -> list[str]:
    """The names of the fields in which the device is not as `wanted`."""
    return [name for name, value in wanted.items() if getattr(device, name) != value]
