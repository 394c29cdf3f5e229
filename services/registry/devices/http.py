"""`/api/v1/devices`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeAlias, TypeVar

from fastapi import APIRouter, Query, Response

from contracts.access import Principal
from contracts.fields import STORABLE_PATTERN, DeviceIdText, Slug
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page, Problem, invalid
from services.registry.devices.bodies import DeviceBody, DeviceDetail, MoveBody, PatchBody
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import Differs, Filter, NewDevice, SerialTaken, UnknownCouncil
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import MOVES, Move, Refused, Stage
from services.registry.roles import Anyone, Fitter

T = TypeVar("T")

Sought: TypeAlias = Annotated[
    str | None,
    Query(max_length=64, pattern=STORABLE_PATTERN, description="Part of an id, serial, model or installation_ref."),
]


def routes(devices: DeviceStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/devices", tags=["devices"])

    @router.post("", status_code=HTTPStatus.CREATED, responses={200: {"model": Device}})
    async def register(body: DeviceBody, who: Fitter, response: Response) -> Device:
        """Register a device. 200 when it is registered exactly so already, 409 when it is registered otherwise."""
        _refuse_outside(who.councils, body.council_id)
        answer = await devices.register(NewDevice(**body.model_dump()), actor=who.name, now=clock.now())
        if isinstance(answer, Differs):
            raise _conflict(f"{body.device_id} is registered already, and differs", answer.fields)
        registered = _accepted(answer)
        response.headers["Location"] = f"/api/v1/devices/{body.device_id}"
        if not registered.created:
            response.status_code = HTTPStatus.OK
        return registered.device

    @router.get("")
    async def list_devices(
        who: Anyone, paging: NewestFirst, council: Slug | None = None, stage: Stage | None = None, q: Sought = None
    ) -> Page[Device]:
        """The devices that the caller may see, in every stage unless asked, newest first."""
        filter_ = Filter(await _scope(devices, who), council, stage, q)
        rows = await devices.page(paging.after_at, paging.after_id, paging.fetch, filter_)
        return paging.page(rows, key=lambda device: (device.registered_at, device.device_id))

    @router.get("/{device_id}")
    async def get_device(device_id: DeviceIdText, who: Anyone) -> DeviceDetail:
        """A device and its history, newest first."""
        device = await _visible(devices, device_id, who)
        return DeviceDetail.of(device, await devices.history(device_id))

    @router.patch("/{device_id}")
    async def patch_device(device_id: DeviceIdText, body: PatchBody, who: Fitter) -> Device:
        """Change the fields that are given; null clears one (RFC 7396). The stage is changed by the moves below."""
        await _visible(devices, device_id, who)
        changes = body.changes()
        _refuse_outside(who.councils, changes.get("council_id"))
        answer = await devices.patch(device_id, changes, actor=who.name, now=clock.now())
        return _existing(_accepted(answer), device_id)

    for move in MOVES:
        _add_move(router, move, devices, clock)
    return router


def _add_move(router: APIRouter, move: Move, devices: DeviceStore, clock: Clock) -> None:
    async def make_move(device_id: DeviceIdText, who: Fitter, body: MoveBody | None = None) -> Device:
        await _visible(devices, device_id, who)
        reason = body.reason if body else None
        answer = await devices.move(device_id, move, who, reason=reason, now=clock.now())
        if isinstance(answer, Refused):
            raise _refused(answer)
        return _existing(answer, device_id)

    router.add_api_route(
        f"/{{device_id}}/{move}",
        make_move,
        methods=["POST"],
        name=f"{move} a device",
        description="Answers 409 with `legal_moves` when the device's stage does not allow it. The same again changes nothing.",
    )


async def _scope(devices: DeviceStore, who: Principal) -> frozenset[str] | None:
    """The councils whose devices this caller may see; None is every council."""
    if who.hub_id is not None:
        return await devices.councils_of_hub(who.hub_id)
    return None if who.councils is None else frozenset(who.councils)


async def _visible(devices: DeviceStore, device_id: str, who: Principal) -> Device:
    device = _existing(await devices.get(device_id), device_id)
    _refuse_outside(await _scope(devices, who), device.council_id)
    return device


def _refuse_outside(councils: frozenset[str] | None, council_id: str | None) -> None:
    if councils is not None and council_id is not None and council_id not in councils:
        raise Problem(HTTPStatus.FORBIDDEN, "This token does not reach the devices of that council.")


def _existing(device: Device | None, device_id: str) -> Device:
    if device is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no device {device_id}.")
    return device


def _accepted(answer: T | SerialTaken | UnknownCouncil) -> T:
    if isinstance(answer, SerialTaken):
        raise _conflict("another device has this serial", ["serial"])
    if isinstance(answer, UnknownCouncil):
        raise invalid(("council_id", "no such council; GET /api/v1/councils lists them"))
    return answer


def _conflict(detail: str, fields: list[str]) -> Problem:
    errors = [{"field": field, "message": "differs from what is registered"} for field in fields]
    return Problem(HTTPStatus.CONFLICT, f"{detail}: {', '.join(fields)}", errors=errors)


def _refused(refused: Refused) -> Problem:
    if refused.reason == "reason_missing":
        return invalid(("reason", refused.detail))
    return Problem(HTTPStatus.CONFLICT, refused.detail, reason=refused.reason, legal_moves=list(refused.legal))
