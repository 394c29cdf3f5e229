"""`/api/v1/devices/{id}/checklist`, and `/api/v1/heard-devices`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from contracts.fields import DeviceIdText
from services.chassis.clock import Clock
from services.chassis.http import Access, Problem
from services.registry.commissioning.store import CommissioningStore, HeardDevice
from services.registry.commissioning.stream import Stream
from services.registry.commissioning.view import ChecklistView
from services.registry.devices.refusals import visible
from services.registry.devices.store import DeviceStore
from services.registry.roles import Anyone, Fitter

_HEARD_MAX: Final = 200
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class HeardDevices(BaseModel):
    """The newest of them; there is no second page, for nobody reads one in a hallway."""

    items: list[HeardDevice]


def routes(store: CommissioningStore, devices: DeviceStore, stream: Stream, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1", tags=["commissioning"])

    async def view(device_id: str, council_id: str) -> ChecklistView | None:
        device = await devices.get(device_id)
        if device is None or device.council_id != council_id:  # whoever follows it may see it no more
            return None
        return ChecklistView.of(device_id, device.stage, await store.checklist(device_id, clock.now()))

    @router.get("/devices/{device_id}/checklist")
    async def get_checklist(device_id: DeviceIdText, who: Anyone) -> ChecklistView:
        """What was tried of the device since its commissioning began, and what is missing, as of now."""
        device = await visible(devices, device_id, who)
        return ChecklistView.of(device_id, device.stage, await store.checklist(device_id, clock.now()))

    @router.get("/devices/{device_id}/checklist/stream", response_class=StreamingResponse)
    async def follow_checklist(device_id: DeviceIdText, who: Anyone) -> StreamingResponse:
        """Server-sent events: `checklist` at once and whenever it has changed, `tick` every 5 s."""
        device = await visible(devices, device_id, who)
        return StreamingResponse(
            stream.follow(lambda: view(device_id, device.council_id)),
            media_type="text/event-stream",
            headers=STREAM_HEADERS,
        )

    @router.post("/devices/{device_id}/report-now", status_code=HTTPStatus.ACCEPTED)
    async def report_now(device_id: DeviceIdText, who: Fitter) -> None:
        """Have a device that is being commissioned report now, and often for another half hour."""
        await visible(devices, device_id, who)
        if not await store.ask_again(device_id, clock.now()):
            raise Problem(HTTPStatus.CONFLICT, f"{device_id} is not being commissioned.")

    @router.get("/heard-devices")
    async def heard_devices(who: Fitter, limit: Annotated[int, Query(ge=1, le=_HEARD_MAX)] = 50) -> HeardDevices:
        """Devices that were heard within a week and that nobody registered, newest first."""
        return HeardDevices(items=await store.heard(who.councils, clock.now(), limit))

    return router
