"""The checklist as it is told: over the API, on the stream, to the page."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from services.registry.domain.checklist import Checklist, Item, State
from services.registry.domain.lifecycle import Stage


class ItemView(BaseModel):
    """One line. `advice` counts as done; `failed` does not pass by waiting."""

    key: str
    title: str
    state: State
    say: str
    do: str | None
    wait_s: int | None = Field(description="Seconds until it can have changed.")
    count: int | None
    of: int | None

    @classmethod
    def from_item(cls, item: Item) -> Self:
        return cls(**{name: getattr(item, name) for name in Item.__slots__})


class ChecklistView(BaseModel):
    """What was tried of a device, as of `as_of`; go-live asks again by itself."""

    device_id: str
    stage: Stage
    began_at: datetime | None
    as_of: datetime
    heard_at: datetime | None
    complete: bool
    missing: list[str]
    items: list[ItemView]

    @classmethod
    def of(cls, device_id: str, stage: Stage, found: Checklist) -> Self:
        return cls(
            device_id=device_id,
            stage=stage,
            began_at=found.began_at,
            as_of=found.as_of,
            heard_at=found.heard_at,
            complete=found.complete,
            missing=list(found.missing),
            items=[ItemView.from_item(item) for item in found.items],
        )

    @property
    def gist(self) -> str:
        """What is worth telling of again when it has changed; the clocks in it are not."""
        return self.model_dump_json(exclude={"as_of": True, "heard_at": True, "items": {"__all__": {"wait_s"}}})
