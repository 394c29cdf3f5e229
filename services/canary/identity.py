"""Who the canary is to the broker: a file that `telecare canary set-up` writes, and nobody else may read."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.ids import CouncilId, DeviceId
from services.chassis.mqtt import MqttUrl
from services.chassis.private_file import write_private
from services.chassis.settings import SettingsError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CanaryDevice(_Strict):
    """One that presses. `council_id` is its topic's, so that its shard hears it; the register has it among the canary's own."""

    shard: str
    council_id: CouncilId
    device_id: DeviceId
    mqtt_url: str


class CanaryIdentity(_Strict):
    """The hub's user of the broker, and a device for each shard. URLs hold passwords."""

    hub_mqtt_url: str
    devices: list[CanaryDevice]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises SettingsError, which quotes nothing of what it holds."""
        again = "write it anew with `telecare canary set-up`"
        try:
            identity = cls.model_validate_json(file.read_bytes())
            for url in (identity.hub_mqtt_url, *(each.mqtt_url for each in identity.devices)):
                MqttUrl.parse(url)
        except OSError as error:
            raise SettingsError(f"{file} can't be read: {error.strerror}; {again}") from None
        except (ValidationError, ValueError):
            raise SettingsError(f"{file} is no canary's file: {again}") from None
        if not identity.devices:
            raise SettingsError(f"{file} names no device: {again}")
        return identity

    def write(self, file: Path) -> None:
        """For its owner's eyes only; all of it, or nothing. Raises SettingsError."""
        try:
            write_private(file, self.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise SettingsError(f"{file} can't be written: {error.strerror}") from None
