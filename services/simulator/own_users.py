"""A fleet whose boxes are each somebody at the broker: registered, claimed, and given their credentials as a real box is."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from contracts.ids import DeviceId
from services.chassis.mqtt import MqttUrl
from services.chassis.private_file import write_private
from services.simulator.population import DeviceIdentity
from services.simulator.provisioning import Refused, provision
from services.simulator.seed import Seeder, SeedFailed

_EXCHANGE_S: Final = 60.0
_EXCHANGES_MAX: Final = 16  # at once
_TOLD_EVERY: Final = 50  # boxes
_PASSWORDS: Final = TypeAdapter(dict[DeviceId, str])

Tell = Callable[[str], None]


class NotProvisioned(Exception):
    """Some box has no credential, and why; the message is for the person at the terminal."""


class OwnUsers:
    """Each box's own URL of the broker. A box's user name is its id; its password is in memory, and in `file` if there is one.

    `file` is read first: whoever is in it keeps what they have. Raises NotProvisioned for one that is none.
    """

    def __init__(self, url: MqttUrl, file: Path | None = None) -> None:
        self._url = url
        self._file = file
        self._passwords: dict[DeviceId, str] = _read(file) if file is not None and file.exists() else {}

    def missing(self, devices: Iterable[DeviceIdentity]) -> list[DeviceIdentity]:
        """Those that have no credential yet."""
        return [each for each in devices if each.device_id not in self._passwords]

    def urls(self) -> Mapping[DeviceId, MqttUrl]:
        """By device."""
        return {
            device_id: dataclasses.replace(self._url, username=device_id, password=password)
            for device_id, password in self._passwords.items()
        }

    async def fetch(self, seeder: Seeder, devices: Iterable[DeviceIdentity], tell: Tell) -> None:
        """Register those, a few at a time, and let each exchange its claim.

        Raises NotProvisioned; what was got until then is kept all the same.
        """
        self._keep()  # a file that can't be written is told of before anything is asked for
        slots = asyncio.Semaphore(_EXCHANGES_MAX)
        wanted = list(devices)

        async def one(device: DeviceIdentity) -> None:
            async with slots:
                code = await seeder.register_and_claim(device)
                self._passwords[device.device_id] = await self._exchange(device, code)
            left = len(self.missing(wanted))
            if left % _TOLD_EVERY == 0:
                tell(f"{len(wanted) - left:,} of {len(wanted):,} boxes have a credential of their own")

        try:
            async with asyncio.TaskGroup() as group:
                for device in wanted:
                    group.create_task(one(device))
        except ExceptionGroup as failures:  # the first failure ended the others
            first = failures.exceptions[0]
            if isinstance(first, SeedFailed | NotProvisioned):
                raise NotProvisioned(str(first)) from None
            raise
        finally:
            self._keep()

    async def _exchange(self, device: DeviceIdentity, code: str) -> str:
        where = f"the broker at {self._url.host}:{self._url.port}"
        try:
            async with asyncio.timeout(_EXCHANGE_S):
                own = await provision(self._url, device.serial, code)
        except Refused as refusal:
            raise NotProvisioned(f"{device.device_id} gets no credential: {refusal}") from None
        except TimeoutError:
            raise NotProvisioned(
                f"{where} did not exchange {device.device_id}'s claim within {_EXCHANGE_S:g} s: is it this service's, and is a "
                "registry running? `telecare doctor` looks"
            ) from None
        if own.username != device.device_id or own.password is None:
            raise NotProvisioned(f"{where} answered {device.device_id} with another's credential")
        return own.password

    def _keep(self) -> None:
        if self._file is None:
            return
        try:
            write_private(self._file, _PASSWORDS.dump_json(self._passwords, indent=2).decode() + "\n")
        except OSError as error:
            raise NotProvisioned(f"{self._file} can't be written: {error.strerror}") from None


def _read(file: Path) -> dict[DeviceId, str]:
    try:
        return _PASSWORDS.validate_json(file.read_bytes())
    except OSError as error:
        raise NotProvisioned(f"{file} can't be read: {error.strerror}") from None
    except ValidationError:
        raise NotProvisioned(f"{file} holds no credentials of boxes: remove it, and they are fetched anew") from None
