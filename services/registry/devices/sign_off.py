"""Who is asked whether a device was proved to work. Commissioning answers; the register of devices only asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from services.chassis.postgres import Connection


class Checklist(Protocol):
    """What was tried of a device, and what is missing; of a complete one nothing is."""

    @property
    def complete(self) -> bool: ...
    @property
    def missing(self) -> Sequence[str]: ...


SignOff: TypeAlias = Callable[[Connection, str, datetime], Awaitable[Checklist]]
"""`checklist_of(connection, device_id, now)`: asked in the transaction of go-live, under the lock on the device."""
