"""What a hub was told: one entry per notification, however often it was sent."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(slots=True, kw_only=True, eq=False)
class Notified:
    """One notification. `received_at` is `time.monotonic()` of its first delivery; `deliveries` counts the later ones too."""

    id: str
    type: str
    data: dict[str, Any]
    body: bytes
    received_at: float
    deliveries: int = 1

    @property
    def alarm_id(self) -> str | None:
        """The alarm it is about; None for a probe or an outage."""
        return self.data.get("alarm_id")

    @property
    def wants_operator(self) -> bool:
        """Whether it tells of an alarm that somebody should take: open, and of priority 1–4."""
        is_urgent = self.data.get("priority") in {1, 2, 3, 4} and not self.data.get("test")
        return bool(self.alarm_id and is_urgent and self.data.get("state") == "open")


class _Told(BaseModel):
    """What every notification has, whatever its type."""

    id: str
    type: str
    data: dict[str, Any]


class Logbook:
    """Entries in the order of their first delivery. `broken_promises` says where the contract was not kept."""

    def __init__(self) -> None:
        self.broken_promises: list[str] = []
        self._entries: dict[str, Notified] = {}
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Notified]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def enter(self, body: bytes, *, webhook_id: str | None = None) -> tuple[Notified, bool]:
        """Note a delivery; also says whether it is the first of its id. ValueError when it is no notification at all."""
        told = _Told.model_validate_json(body)
        if webhook_id not in {None, told.id}:
            self.broken_promises.append(f"webhook-id {webhook_id} is not the body's id {told.id}")
        self._changed.set()
        known = self._entries.get(told.id)
        if known is not None:
            known.deliveries += 1
            if known.body != body:
                self.broken_promises.append(f"the body of {known.id} has changed")
            return known, False
        entry = Notified(id=told.id, type=told.type, data=told.data, body=body, received_at=time.monotonic())
        self._entries[entry.id] = entry
        return entry, True

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; asked again after every delivery."""
        while not predicate():
            self._changed.clear()
            await self._changed.wait()
