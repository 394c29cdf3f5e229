"""`POST /api/v1/devices/{device_id}/erase`, and how far it is."""

from __future__ import annotations

import uuid
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import STORABLE_PATTERN, DeviceIdText
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page, Problem, invalid
from services.registry.devices.store import DeviceStore
from services.registry.erasure.store import Erasure, ErasureStore, What
from services.registry.roles import Ops

_log = structlog.get_logger(__name__)


class EraseBody(BaseModel):
    """What of this device, as of now. What happened, when, and who did it is never erased."""

    model_config = ConfigDict(extra="forbid")

    what: Annotated[
        list[What],
        Field(
            min_length=1,
            max_length=4,
            description="`installation_ref` · `notes` of the register · `text`: what the box said in words, and its raw bytes · "
            "`operator_notes`: what operators wrote when they closed its alarms.",
        ),
    ]
    reason: Annotated[
        str, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN, description="Why; nobody's name.")
    ]


class ErasureView(BaseModel):
    """An erasure, and how far it is. `waits_for_alarm`: until that alarm is closed, for its hub still needs it."""

    erasure_id: uuid.UUID
    device_id: str
    what: list[str]
    reason: str
    asked_by: str
    asked_at: datetime
    state: Literal["done", "waits_for_alarm", "under_way"]
    waits_for: uuid.UUID | None
    done_at: datetime | None

    @classmethod
    def of(cls, erasure: Erasure) -> Self:
        both = (erasure.ingest_done_at, erasure.alerts_done_at)
        return cls(
            **{name: getattr(erasure, name) for name in cls.model_fields if name != "done_at"},
            done_at=max(each for each in both if each is not None) if erasure.state == "done" else None,
        )


def routes(erasures: ErasureStore, devices: DeviceStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/devices/{device_id}", tags=["devices"])

    async def refuse_unknown(device_id: str) -> None:
        if await devices.get(device_id) is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no device {device_id}.")

    @router.post("/erase", status_code=HTTPStatus.ACCEPTED)
    async def erase(device_id: DeviceIdText, body: EraseBody, who: Ops) -> ErasureView:
        """Erase what is about a person. `GET …/erasures` tells when it is done; of an open alarm that is once it is closed."""
        await refuse_unknown(device_id)
        what = sorted(set(body.what))
        erasure_id = await erasures.ask(device_id, what, body.reason, actor=who.name, now=clock.now())
        _log.warning("erasure_asked", device_id=device_id, erasure_id=str(erasure_id), what=what, by=who.name)
        found = await erasures.of(device_id)
        return next(ErasureView.of(each) for each in found if each.erasure_id == erasure_id)

    @router.get("/erasures")
    async def list_erasures(device_id: DeviceIdText, _who: Ops, paging: NewestFirst) -> Page[ErasureView]:
        """What was to be erased of this device, newest first, and how far that is."""
        await refuse_unknown(device_id)
        rows = await erasures.of(device_id, paging.after_at, _after(paging.after_id), paging.fetch)
        views = [ErasureView.of(each) for each in rows]
        return paging.page(views, key=lambda view: (view.asked_at, str(view.erasure_id)))

    return router


def _after(cursor: str | None) -> uuid.UUID | None:
    try:
        return None if cursor is None else uuid.UUID(cursor)
    except ValueError:
        raise invalid(("cursor", "not a cursor of this list; start again without one")) from None
