"""What was proved of a device was proved of one unit of one model: what becomes of the proof when it is called another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from contracts.access import Role
from services.registry.domain.device import Device

ANOTHER_MODEL: Final = "model changed after it was proved"
"""Why such a device is live: the reason of an override."""


@dataclass(frozen=True, slots=True)
class Stands:
    """The change is of nothing that was proved, or nothing was yet."""


@dataclass(frozen=True, slots=True)
class BeginsAnew:
    """What was seen until now is evidence no more."""


@dataclass(frozen=True, slots=True)
class OnWord:
    """It stays live, for somebody lives with it, but on the word of whoever changed it, until it is proved again."""


@dataclass(frozen=True, slots=True)
class NotChanged:
    """The change is not made; `detail` says why to a person."""

    field: Literal["serial", "model"]
    detail: str


Fate: TypeAlias = Stands | BeginsAnew | OnWord | NotChanged


def fate_of_proof(device: Device, wanted: Mapping[str, object], role: Role | None) -> Fate:
    """What a change of these fields does to the proof; `role` is of whoever wants it, None a file.

    Models' names are compared without regard to case, here as where their promises are looked up.
    """
    is_another_unit = str(wanted.get("serial", device.serial)) != device.serial
    is_another_model = str(wanted.get("model", device.model)).lower() != device.model.lower()
    if not (is_another_unit or is_another_model):
        return Stands()
    if device.stage not in {"live", "suspended"}:
        return BeginsAnew() if device.stage == "commissioning" else Stands()
    if is_another_unit:
        detail = (
            f"{device.device_id} is {device.stage}: another serial is another unit, and nobody tried that one. Replace the "
            "device by it, or withdraw the device."
        )
        return NotChanged("serial", detail)
    if device.overridden_at is not None:
        return BeginsAnew()
    if role == "ops":
        return OnWord()
    detail = (
        f"{device.device_id} is {device.stage}, and was proved as {device.model}. Ops may call it another model, one device at a "
        "time; it is live on their word then, until it is proved again."
    )
    return NotChanged("model", detail)
