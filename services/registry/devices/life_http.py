"""`/api/v1/devices/{device_id}/{move}`: a device's way through its stages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute

from contracts.access import Principal
from contracts.fields import DeviceIdText
from services.chassis.clock import Clock
from services.chassis.http import Access, Problem
from services.registry.devices.bodies import GoLiveBody, MoveBody, ReplaceBody, Replacement, SuspendBody
from services.registry.devices.life import DeviceLife
from services.registry.devices.refusals import conflict, existing, own_name, refused, taken, visible
from services.registry.devices.replacing import NotDone, NotThere, OutOfReach, Pair, Successor
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import Asked, Differs, OwnName, Taken
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import MOVES, Move, Refused
from services.registry.domain.replacement import NotReplaced
from services.registry.roles import Fitter, Ops

_LEGAL: Final = (
    "Answers 409 with `legal_moves` when the device's stage does not allow it. The same again changes nothing."
)


def routes(
    devices: DeviceStore,
    life: DeviceLife,
    access: Access,
    clock: Clock,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    router = access.router(prefix="/api/v1/devices", tags=["devices"], route_class=route_class)
    for move in MOVES:
        if move not in {"claim", "go-live", "suspend", "replace", "reinstate"}:  # a claim: `registry.identity`
            _add_move(router, move, devices, life, clock)

    async def moved(device_id: str, move: Move, who: Principal, body: MoveBody | None) -> Device:
        return await _move(devices, life, clock, device_id, move, who, body)

    @router.post("/{device_id}/suspend", name="suspend a device", description=_LEGAL)
    async def suspend(device_id: DeviceIdText, who: Fitter, body: SuspendBody | None = None) -> Device:
        return await moved(device_id, "suspend", who, body)

    @router.post("/{device_id}/go-live", name="go-live a device")
    async def go_live(device_id: DeviceIdText, who: Fitter, body: GoLiveBody | None = None) -> Device:
        """Put a device live whose checklist is complete; else 409 with what is `missing`.

        `override` with a reason does it nevertheless: by ops for any device on the register, by an engineer for one that is
        commissioning. Such devices are in `GET /api/v1/devices?overridden=true` until they are proved.
        """
        await visible(devices, device_id, who)
        said = body or GoLiveBody()
        answer = await life.go_live(device_id, who, override=said.override, reason=said.reason, now=clock.now())
        if isinstance(answer, Refused):
            raise refused(answer)
        return existing(answer, device_id)

    _add_ends(router, devices, life, clock)
    return router


def _add_ends(router: APIRouter, devices: DeviceStore, life: DeviceLife, clock: Clock) -> None:
    @router.post("/{device_id}/replace", name="replace a device")
    async def replace(device_id: DeviceIdText, who: Fitter, body: ReplaceBody) -> Replacement:
        """Withdraw a device; `device_id` of the body takes its place in the home, with its council, district and reference.

        The old one still works, and its alarms are told, until the new one is live. `withdraw` it to shut it out before that.
        """
        await visible(devices, device_id, who)
        successor = Successor(**body.model_dump(exclude={"reason"}))
        asked = Asked(who.name, clock.now(), body.reason)
        answer = await life.replace(device_id, successor, asked, lambda each: _reaches(who, each))
        if isinstance(answer, Pair):
            return Replacement(answer.old, answer.new)
        raise _not_replaced(answer)

    @router.post("/{device_id}/reinstate", name="reinstate a device")
    async def reinstate(device_id: DeviceIdText, who: Ops, body: MoveBody | None = None) -> Device:
        """Put a device that was withdrawn by mistake, and not replaced, on the register again, with a reason.

        What credential it has at the broker is good again; it is live again once it was commissioned anew.
        """
        await visible(devices, device_id, who)
        reason = body.reason if body else None
        answer = await life.reinstate(device_id, who, reason=reason, now=clock.now())
        if isinstance(answer, Refused):
            raise refused(answer)
        if isinstance(answer, Taken):
            raise taken(answer.field)
        return existing(answer, device_id)


def _add_move(router: APIRouter, move: Move, devices: DeviceStore, life: DeviceLife, clock: Clock) -> None:
    async def make_move(device_id: DeviceIdText, who: Fitter, body: MoveBody | None = None) -> Device:
        return await _move(devices, life, clock, device_id, move, who, body)

    path = f"/{{device_id}}/{move}"
    router.add_api_route(path, make_move, methods=["POST"], name=f"{move} a device", description=_LEGAL)


async def _move(
    devices: DeviceStore,
    life: DeviceLife,
    clock: Clock,
    device_id: str,
    move: Move,
    who: Principal,
    body: MoveBody | None,
) -> Device:
    await visible(devices, device_id, who)
    reason = body.reason if body else None
    until = body.until if isinstance(body, SuspendBody) else None
    answer = await life.move(device_id, move, who, reason=reason, now=clock.now(), until=until)
    if isinstance(answer, Refused):
        raise refused(answer)
    return existing(answer, device_id)


def _reaches(who: Principal, device: Device) -> bool:
    return who.councils is None or device.council_id in who.councils


def _not_replaced(answer: NotDone) -> Problem:
    match answer:
        case Taken(field):
            return taken(field)
        case OwnName():
            return own_name()
        case NotThere(device_id):
            detail = f"There is no device {device_id}; give its serial and model too, and it is put on the register."
            return Problem(HTTPStatus.CONFLICT, detail, reason="unknown_successor")
        case OutOfReach():
            return Problem(HTTPStatus.FORBIDDEN, "This token does not reach the devices of the other's council.")
        case Differs(fields):
            return conflict("the successor is registered already, and differs", fields)
        case NotReplaced(reason, detail):
            return Problem(HTTPStatus.CONFLICT, detail, reason=reason)
