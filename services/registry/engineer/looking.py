"""What an engineer sees: the start, a box to register, a box and its checklist, the stream that says when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from contracts.access import Principal
from contracts.fields import STORABLE_PATTERN, DeviceIdText
from services.chassis.audit import reads_people
from services.chassis.clock import Clock
from services.chassis.pages import Sessions, secret_of
from services.registry.commissioning.http import STREAM_HEADERS
from services.registry.commissioning.store import CommissioningStore
from services.registry.commissioning.stream import Stream
from services.registry.commissioning.view import ChecklistView
from services.registry.devices.bodies import DeviceBody
from services.registry.devices.refusals import visible
from services.registry.devices.store import DeviceStore
from services.registry.domain.lifecycle import legal_moves
from services.registry.engineer.site import SITE
from services.registry.engineer.store import EngineerStore
from services.registry.roles import Fitter

_HEARD_SHOWN: Final = 20
_HISTORY_SHOWN: Final = 12

Sought = Annotated[str, Query(max_length=64, pattern=STORABLE_PATTERN)]


@dataclass(frozen=True, slots=True)
class Looking:
    devices: DeviceStore
    commissioning: CommissioningStore
    store: EngineerStore
    stream: Stream
    sessions: Sessions
    clock: Clock

    async def form(
        self,
        request: Request,
        who: Principal,
        given: Mapping[str, str],
        trouble: str | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        """The form that registers a box, with what is known or was typed."""
        return SITE.page(
            request,
            "new.html",
            status,
            given=dict.fromkeys(DeviceBody.model_fields, "") | dict(given),
            trouble=trouble,
            councils=await self.store.councils(who.councils),
            models=await self.store.models(),
        )

    async def view(self, device_id: str, council_id: str) -> ChecklistView | None:
        device = await self.devices.get(device_id)
        if device is None or device.council_id != council_id:  # whoever follows it may see it no more
            return None
        found = await self.commissioning.checklist(device_id, self.clock.now())
        return ChecklistView.of(device_id, device.stage, found)


def add_looking(router: APIRouter, on: Looking) -> None:
    _add_finding(router, on)

    @router.get("/")
    async def start(request: Request, who: Fitter) -> Response:
        return SITE.page(
            request,
            "start.html",
            now=on.clock.now(),
            at_work=await on.store.at_work(who.councils),
            heard=await on.commissioning.heard(who.councils, on.clock.now(), _HEARD_SHOWN),
            councils=await on.store.councils(None),
        )

    @router.get("/d/{device_id}")
    @reads_people
    async def device(request: Request, device_id: DeviceIdText, who: Fitter) -> Response:
        found = await visible(on.devices, device_id, who)
        # Also of one that is live on somebody's word: until it was proved, it is looked at.
        shown = found.stage == "commissioning" or found.overridden_at is not None
        return SITE.page(
            request,
            "device.html",
            now=on.clock.now(),
            device=found,
            council=(await on.store.councils(None)).get(found.council_id, found.council_id),
            checklist=await on.commissioning.checklist(device_id, on.clock.now()) if shown else None,
            may_vouch="go-live" in legal_moves(found.stage, who.role),
            history=(await on.devices.history(device_id))[:_HISTORY_SHOWN],
        )

    @router.get("/d/{device_id}/stream")
    async def stream(request: Request, device_id: DeviceIdText, who: Fitter) -> Response:
        followed = await visible(on.devices, device_id, who)
        secret = secret_of(request)

        async def signed_in() -> bool:
            return await on.sessions.stands(secret, who)

        text = on.stream.follow(lambda: on.view(device_id, followed.council_id), signed_in)
        return StreamingResponse(text, media_type="text/event-stream", headers=STREAM_HEADERS)


def _add_finding(router: APIRouter, on: Looking) -> None:
    async def found(text: str, who: Principal) -> Response:
        """The box's page; or the form to register it, where nobody has."""
        device_id = await on.store.device_of(text)
        if device_id is None:
            return RedirectResponse(f"/engineer/new?{urlencode({'serial': text})}", HTTPStatus.SEE_OTHER)
        await visible(on.devices, device_id, who)
        return RedirectResponse(f"/engineer/d/{quote(device_id)}", HTTPStatus.SEE_OTHER)

    @router.get("/find")
    async def find(who: Fitter, q: Sought = "") -> Response:
        text = q.strip()
        return await found(text, who) if text else RedirectResponse("/engineer/", HTTPStatus.SEE_OTHER)

    @router.get("/s/{serial}")
    async def by_serial(serial: str, who: Fitter) -> Response:
        """What a label's QR code says."""
        return await found(serial[:64], who)

    @router.get("/new")
    async def new(
        request: Request, who: Fitter, serial: Sought = "", device_id: Sought = "", council: Sought = ""
    ) -> Response:
        return await on.form(request, who, {"serial": serial, "device_id": device_id, "council_id": council})
