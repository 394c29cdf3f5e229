"""What the routes of devices take and give. An unknown field is refused: nobody sends a name or an address unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from contracts.fields import STORABLE_PATTERN, DeviceIdText, Slug, Text32
from services.registry.devices.values import Change
from services.registry.domain.device import Device, iccid, postcode_district
from services.registry.domain.personal import impersonal, impersonal_key

_Stripped: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=STORABLE_PATTERN)]
Name: TypeAlias = Annotated[_Stripped, Field(max_length=64)]
District: TypeAlias = Annotated[
    str,
    Field(max_length=16),
    AfterValidator(postcode_district),
    Field(description="G12, EH1: never the full postcode."),
]
Plmn: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]{5,6}$", description='The SIM\'s operator, such as "23410".')]
Iccid: TypeAlias = Annotated[
    str, Field(max_length=40), AfterValidator(iccid), Field(description="The number printed on the SIM.")
]
Reference: TypeAlias = Annotated[
    _Stripped,
    AfterValidator(impersonal_key),
    Field(max_length=128, description="Means something to the hub only; never a name or an address."),
]
AnalogueUnit: TypeAlias = Annotated[
    _Stripped,
    AfterValidator(impersonal),
    Field(max_length=64, description="The council's own number of the analogue unit; never its telephone number."),
]
Notes: TypeAlias = Annotated[
    _Stripped,
    AfterValidator(impersonal),
    Field(max_length=1000, description="Of the box, never of a person: what looks like a person's data is refused."),
]
Reason: TypeAlias = Annotated[_Stripped, AfterValidator(impersonal), Field(max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Attributes(_Body):
    """What need not be known of a device."""

    postcode_district: District | None = None
    sim_operator: Plmn | None = None
    iccid: Iccid | None = None
    installation_ref: Reference | None = None
    replaces_analogue: AnalogueUnit | None = None
    sole_trigger: Annotated[
        Text32 | None, Field(min_length=1, description="The peripheral that is the person's only way to call.")
    ] = None
    notes: Notes | None = None


class DeviceBody(_Attributes):
    """A device to register, or one that is ordered only."""

    device_id: DeviceIdText
    council_id: Slug
    serial: Name
    model: Name
    stage: Literal["ordered", "registered"] = "registered"

    def said(self) -> dict[str, Any]:
        """The fields that were given, of those that a device keeps."""
        return self.model_dump(exclude_unset=True, exclude={"stage"})


class PatchBody(_Attributes):
    """What shall change; a field left out stays, null clears one that need not be there."""

    # These can't be cleared, so null is no value of theirs; the default stands for "left out" and is never read.
    council_id: Slug = ""
    serial: Name = ""
    model: Name = ""

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return self.model_dump(exclude_unset=True)


class MoveBody(_Body):
    """Why, for the history."""

    reason: Reason | None = None


class SuspendBody(MoveBody):
    """Why, and until when probably. Nothing ends by itself."""

    until: AwareDatetime | None = None


class GoLiveBody(MoveBody):
    """`override`: though the checklist is not complete, on the word of whoever asks, for a reason, in the reports."""

    override: bool = False


class ReplaceBody(MoveBody):
    """Which device takes the place. One that is not on the register yet is put there, when serial and model are given."""

    device_id: DeviceIdText
    serial: Name | None = None
    model: Name | None = None
    sim_operator: Plmn | None = None
    iccid: Iccid | None = None


@dataclass(frozen=True, slots=True)
class DeviceDetail(Device):
    """A single device, whose place it took, and its history. `on_duty`: replaced, and let in until its successor is live."""

    replaces: str | None
    on_duty: bool
    history: list[Change]

    @classmethod
    def of(cls, device: Device, replaces: str | None, history: Sequence[Change], *, on_duty: bool) -> Self:
        return cls(**asdict(device), replaces=replaces, on_duty=on_duty, history=list(history))


@dataclass(frozen=True, slots=True)
class Replacement:
    """Both devices, as they are now."""

    replaced: Device
    successor: Device
