"""`/api/v1/devices`: the register. (How a device moves through its stages: `life_http`.)"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Query, Response
from fastapi.routing import APIRoute

from contracts.access import Principal
from contracts.fields import STORABLE_PATTERN, DeviceIdText, Slug
from services.chassis.audit import reads_people
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page
from services.registry.devices.bodies import DeviceBody, DeviceDetail, PatchBody
from services.registry.devices.patching import Patches
from services.registry.devices.refusals import (
    accepted,
    conflict,
    existing,
    not_changed,
    refuse_outside,
    scope,
    visible,
)
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import Differs, Filter, NewDevice
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import Stage
from services.registry.domain.proof import NotChanged
from services.registry.identity.claims import Claims
from services.registry.identity.http import ClaimedDevice
from services.registry.roles import Anyone, Fitter

Text: TypeAlias = Annotated[
    str | None,
    Query(max_length=64, pattern=STORABLE_PATTERN, description="Part of an id, serial, model or installation_ref."),
]
Overridden: TypeAlias = Annotated[bool | None, Query(description="Whether it went live on somebody's word.")]


async def _sought(
    council: Slug | None = None, stage: Stage | None = None, q: Text = None, overridden: Overridden = None
) -> Filter:
    return Filter(None, council, stage, q, overridden)


Sought: TypeAlias = Annotated[Filter, Depends(_sought)]
"""The parameters by which devices are found, of a list or an export."""


def routes(
    devices: DeviceStore,
    patches: Patches,
    claims: Claims,
    access: Access,
    clock: Clock,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    router = access.router(prefix="/api/v1/devices", tags=["devices"], route_class=route_class)

    @router.post("", status_code=HTTPStatus.CREATED, responses={200: {"model": Device}})
    async def register(body: DeviceBody, who: Fitter, response: Response) -> ClaimedDevice | Device:
        """Register a device. 200 when it is registered exactly so already, 409 when it is registered otherwise.

        One that is new, and there, is answered with its claim, which is shown this once.
        `"stage": "ordered"` notes one that is still to come; registered once more without it, it has come.
        """
        refuse_outside(who.councils, body.council_id)
        new = NewDevice(**body.model_dump(exclude={"stage"}))
        answer = await devices.register(new, actor=who.name, now=clock.now(), said=body.said(), stage=body.stage)
        if isinstance(answer, Differs):
            raise conflict(f"{body.device_id} is registered already, and differs", answer.fields)
        registered = accepted(answer)
        response.headers["Location"] = f"/api/v1/devices/{body.device_id}"
        if not registered.created:
            response.status_code = HTTPStatus.OK
        if not registered.created or body.stage == "ordered":
            return registered.device
        return ClaimedDevice.of(
            registered.device, await claims.issue(body.device_id, actor=who.name, now=clock.now(), first=True)
        )

    @router.get("")
    @reads_people
    async def list_devices(who: Anyone, paging: NewestFirst, sought: Sought) -> Page[Device]:
        """The devices that the caller may see, in every stage unless asked, newest first."""
        filter_ = await within(devices, who, sought)
        rows = await devices.page(paging.after_at, paging.after_id, paging.fetch, filter_)
        return paging.page(rows, key=lambda device: (device.registered_at, device.device_id))

    @router.get("/{device_id}")
    @reads_people
    async def get_device(device_id: DeviceIdText, who: Anyone) -> DeviceDetail:
        """A device, whose place it took, and its history, newest first."""
        device = await visible(devices, device_id, who)
        replaces, history = await devices.replaces(device_id), await devices.history(device_id)
        return DeviceDetail.of(device, replaces, history, on_duty=await devices.is_on_duty(device_id))

    @router.patch("/{device_id}")
    async def patch_device(device_id: DeviceIdText, body: PatchBody, who: Fitter) -> Device:
        """Change the fields that are given; null clears one (RFC 7396). The stage is changed by the moves below.

        Another `serial` or `model` while it is commissioning begins the proof anew. Once it is live, its serial stays; another
        model is for ops, and the device is `overridden` until it is proved as that one.
        """
        await visible(devices, device_id, who)
        changes = body.changes()
        refuse_outside(who.councils, changes.get("council_id"))
        answer = await patches.patch(device_id, changes, who, clock.now())
        if isinstance(answer, NotChanged):
            raise not_changed(answer)
        return existing(accepted(answer), device_id)

    return router


async def within(devices: DeviceStore, who: Principal, sought: Filter) -> Filter:
    """What is sought, among the devices that the caller may see."""
    return Filter(await scope(devices, who), sought.council, sought.stage, sought.q, sought.overridden)
