"""What the routes of devices take and give. An unknown field is refused: nobody sends a name or an address unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.fields import STORABLE_PATTERN, DeviceIdText, Slug, Text32, Text64, Text128
from services.registry.devices.values import Change
from services.registry.domain.device import Device, postcode_district

Name: TypeAlias = Annotated[Text64, Field(min_length=1)]
District: TypeAlias = Annotated[
    str,
    Field(max_length=16),
    AfterValidator(postcode_district),
    Field(description="G12, EH1: never the full postcode."),
]
Plmn: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]{5,6}$", description='The SIM\'s operator, such as "23410".')]
Reference: TypeAlias = Annotated[
    Text128, Field(min_length=1, description="Means something to the hub only; never a name or an address.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeviceBody(_Body):
    """A device to register."""

    device_id: DeviceIdText
    council_id: Slug
    serial: Name
    model: Name
    postcode_district: District | None = None
    sim_operator: Plmn | None = None
    installation_ref: Reference | None = None


class PatchBody(_Body):
    """What shall change; a field left out stays, null clears one that need not be there."""

    # These can't be cleared, so null is no value of theirs; the default stands for "left out" and is never read.
    council_id: Slug = ""
    serial: Name = ""
    model: Name = ""
    postcode_district: District | None = None
    sim_operator: Plmn | None = None
    installation_ref: Reference | None = None
    sole_trigger: Annotated[
        Text32 | None, Field(min_length=1, description="The peripheral that is the person's only way to call.")
    ] = None

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return self.model_dump(exclude_unset=True)


class MoveBody(_Body):
    """Why, for the history."""

    reason: Annotated[str | None, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN)] = None


@dataclass(frozen=True, slots=True)
class DeviceDetail(Device):
    """A single device, with its history."""

    history: list[Change]

    @classmethod
    def of(cls, device: Device, history: Sequence[Change]) -> Self:
        return cls(**asdict(device), history=list(history))
