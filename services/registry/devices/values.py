"""What is asked of the register of devices, and how it answers: refusals are values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.registry.domain.device import Device
from services.registry.domain.lifecycle import Stage


@dataclass(frozen=True, slots=True)
class NewDevice:
    """What a device is registered with."""

    device_id: str
    council_id: str
    serial: str
    model: str
    postcode_district: str | None = None
    sim_operator: str | None = None
    iccid: str | None = None
    installation_ref: str | None = None
    replaces_analogue: str | None = None
    sole_trigger: str | None = None
    notes: str | None = None

    def fields(self) -> dict[str, Any]:
        """By name, in the order of the columns."""
        return {name: getattr(self, name) for name in NewDevice.__slots__}


@dataclass(frozen=True, slots=True)
class Asked:
    """A change that is asked for: by whom, why, when."""

    actor: str
    now: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which devices are listed; `councils` are those that the caller may see, None all."""

    councils: frozenset[str] | None = None
    council: str | None = None
    stage: Stage | None = None
    q: str | None = None
    overridden: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A line of a device's history."""

    at: datetime
    actor: str
    change: str
    reason: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Registered:
    """The device is on the register; `created` tells whether only now."""

    device: Device
    created: bool


@dataclass(frozen=True, slots=True)
class Differs:
    """A device of this id exists and is another in these fields."""

    fields: list[str]


@dataclass(frozen=True, slots=True)
class Taken:
    """Another device has this serial, or this SIM."""

    field: str


@dataclass(frozen=True, slots=True)
class UnknownCouncil:
    """There is no such council."""


@dataclass(frozen=True, slots=True)
class OwnName:
    """The service itself has this id at the broker: the device could never have a credential."""


Changes = Mapping[str, Any]
