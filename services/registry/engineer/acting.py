"""What an engineer does from the pages: by the same register and the same rules as over the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from contracts.access import Principal
from contracts.fields import DeviceIdText
from services.chassis.clock import Clock
from services.chassis.http import Problem, invalid
from services.chassis.pages import Form, Signed, wants_page
from services.chassis.pages.times import iso
from services.registry.commissioning.store import CommissioningStore
from services.registry.devices.bodies import DeviceBody, GoLiveBody
from services.registry.devices.life import DeviceLife
from services.registry.devices.refusals import accepted, conflict, existing, refuse_outside, refused, visible
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import Differs, NewDevice
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import Move, Refused
from services.registry.engineer.site import SITE
from services.registry.identity.claims import Claims, IssuedClaim
from services.registry.roles import Fitter

Body = TypeVar("Body", bound=BaseModel)

_STEPS: Final[tuple[Move, ...]] = ("register", "install", "commission")
_CLAIMED: Final = frozenset({"claimed", "installed", "commissioning", "live", "suspended"})
_FIELDS: Final = frozenset(DeviceBody.model_fields)


@dataclass(frozen=True, slots=True)
class Acting:
    devices: DeviceStore
    life: DeviceLife
    claims: Claims
    commissioning: CommissioningStore
    clock: Clock
    form: Callable[[Request, Principal, Mapping[str, str], str, HTTPStatus], Awaitable[Response]]  # to register, again


def add_acting(router: APIRouter, on: Acting) -> None:
    """The forms of the pages. A script may send them too, and is answered with JSON."""
    _add_registering(router, on)
    _add_claiming(router, on)
    for move in _STEPS:
        _add_step(router, on, move)
    _add_going_live(router, on)

    @router.post("/d/{device_id}/report-now")
    async def report_now(request: Request, device_id: DeviceIdText, who: Fitter) -> Response:
        await visible(on.devices, device_id, who)
        if not await on.commissioning.ask_again(device_id, on.clock.now()):
            raise Problem(HTTPStatus.CONFLICT, f"{device_id} is not being commissioned.")
        return done(request, device_id, {})


def _add_registering(router: APIRouter, on: Acting) -> None:
    @router.post("/register")
    async def register(request: Request, who: Fitter, session: Signed, form: Form) -> Response:
        try:
            device = await registered(who, session.operator, form)
        except Problem as problem:
            if not wants_page(request):
                raise
            return await on.form(request, who, form, str(problem.detail), HTTPStatus(problem.status_code))
        return done(request, device.device_id, {})

    async def registered(who: Principal, operator: str, form: dict[str, str]) -> Device:
        given = {name: value.strip() for name, value in form.items() if name in _FIELDS and value.strip()}
        body = _read(DeviceBody, given)
        refuse_outside(who.councils, body.council_id)
        new = NewDevice(**body.model_dump(exclude={"stage"}))
        answer = await on.devices.register(new, actor=_name(who, operator), now=on.clock.now(), said=body.said())
        if isinstance(answer, Differs):
            raise conflict(f"{body.device_id} is registered already, and differs", answer.fields)
        return accepted(answer).device


def _add_claiming(router: APIRouter, on: Acting) -> None:
    @router.post("/d/{device_id}/claim")
    async def claim(request: Request, device_id: DeviceIdText, who: Fitter, session: Signed) -> Response:
        """A new code, shown in this answer and never again."""
        device = await visible(on.devices, device_id, who)
        actor = _as(who, session.operator)
        if device.stage not in _CLAIMED:
            await _moved(on, device_id, "claim", actor, None)
        issued = await on.claims.issue(device_id, actor=actor.name, now=on.clock.now())
        if not isinstance(issued, IssuedClaim):
            raise Problem(HTTPStatus.CONFLICT, issued.detail if issued else f"There is no device {device_id}.")
        if wants_page(request):
            return SITE.page(
                request, "claim.html", device=existing(await on.devices.get(device_id), device_id), issued=issued
            )
        shown = {"code": issued.code, "username": f"claim:{issued.serial}", "expires_at": iso(issued.expires_at)}
        return done(request, device_id, {"claim": shown})


def _add_step(router: APIRouter, on: Acting, move: Move) -> None:
    async def step(request: Request, device_id: DeviceIdText, who: Fitter, session: Signed) -> Response:
        await visible(on.devices, device_id, who)
        await _moved(on, device_id, move, _as(who, session.operator), None)
        return done(request, device_id, {})

    router.add_api_route(f"/d/{{device_id}}/{move}", step, methods=["POST"])


def _add_going_live(router: APIRouter, on: Acting) -> None:
    @router.post("/d/{device_id}/go-live")
    async def go_live(request: Request, device_id: DeviceIdText, who: Fitter, session: Signed, form: Form) -> Response:
        """With `override` and a reason: on the engineer's word."""
        await visible(on.devices, device_id, who)
        said = {"override": True, "reason": form.get("reason", "").strip() or None} if form.get("override") else {}
        body = _read(GoLiveBody, said)
        answer = await on.life.go_live(
            device_id,
            _as(who, session.operator),
            override=body.override,
            reason=body.reason,
            now=on.clock.now(),
        )
        if isinstance(answer, Refused):
            raise refused(answer)
        return done(request, device_id, {})


async def _moved(on: Acting, device_id: str, move: Move, who: Principal, reason: str | None) -> Device:
    answer = await on.life.move(device_id, move, who, reason=reason, now=on.clock.now())
    if isinstance(answer, Refused):
        raise refused(answer)
    return existing(answer, device_id)


def done(request: Request, device_id: str, told: dict[str, Any]) -> Response:
    """Back to the device's page; a script is told what there is to tell."""
    if wants_page(request):
        return RedirectResponse(f"/engineer/d/{device_id}", HTTPStatus.SEE_OTHER)
    return JSONResponse({"device_id": device_id, **told}, headers={"Cache-Control": "no-store"})


def _name(who: Principal, operator: str) -> str:
    """As the history tells it: the person, and the token they came in with."""
    return operator if operator == who.name else f"{operator} ({who.name})"


def _as(who: Principal, operator: str) -> Principal:
    return Principal(_name(who, operator), who.role, who.hub_id, who.councils)


def _read(model: type[Body], given: dict[str, Any]) -> Body:
    """What was typed; what is wrong with it is told as over the API, naming the field. It is not repeated."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise invalid(
            *((str(each["loc"][-1]), each["msg"].removeprefix("Value error, ")) for each in faults if each["loc"])
        ) from None
