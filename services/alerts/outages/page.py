"""`/console/outages`: what is wrong with many homes at once, who is exposed, and who has been asked after. It needs no script."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import ValidationError

from contracts import action
from contracts.ids import DEVICE_ID_PATTERN
from services.alerts.console.operators import may_act
from services.alerts.http.asker import Operator, Reader, Scope
from services.alerts.outages import reading, words
from services.alerts.outages.bodies import ContactedBody
from services.alerts.outages.http import DeviceText, as_download, find, tick
from services.chassis.audit import never_waits, reads_people
from services.chassis.clock import Clock
from services.chassis.http import Paging, invalid
from services.chassis.pages import Form, Gate, Signed, Site, wants_page
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

SITE: Final = Site("/console/outages", __file__)
SITE.environment.globals |= {
    "may_act": may_act,
    "shared": words.shared,
    "affected": words.affected,
    "exposed": words.exposed,
}
SITE.environment.filters |= {"count": "{:,}".format}
LISTED_MAX: Final = 100
MEMBERS_MAX: Final = 100

After = Annotated[str | None, Query(pattern=DEVICE_ID_PATTERN)]
Show = Annotated[Literal["all", "to_do"], Query()]


def page_routers(reads: Pool, acts: Pool, clock: Clock, gate: Gate) -> Sequence[APIRouter]:
    """To be mounted beside the console's; in no API document, for they are for people."""
    router = SITE.gated(gate)
    _add_looking(router, reads, clock)
    _add_ticking(router, acts, clock)
    return SITE.static_router(), router


def _add_looking(router: APIRouter, pool: Pool, clock: Clock) -> None:
    @router.get("")
    @reads_people
    @never_waits
    async def outages(request: Request, who: Reader) -> Response:
        async with borrow(pool) as connection:
            found = await reading.outages(connection, Scope.of(who), Paging(LISTED_MAX), is_open=None)
            names = await reading.council_names(connection)
        return SITE.page(
            request,
            "outages.html",
            open=[each for each in found if each.state == "open"],
            over=[each for each in found if each.state == "closed"][:LISTED_MAX],
            names=names,
            now=clock.now(),
        )

    @router.get("/{outage_id}")
    @reads_people
    @never_waits
    async def outage(
        request: Request, outage_id: uuid.UUID, who: Reader, after: After = None, show: Show = "to_do"
    ) -> Response:
        found = await find(pool, outage_id, Scope.of(who))
        paging = Paging(MEMBERS_MAX, None, after)
        async with borrow(pool) as connection:
            members = await reading.members(connection, outage_id, Scope.of(who), paging, to_do=show == "to_do")
            names = await reading.council_names(connection)
        shown = members[:MEMBERS_MAX]
        return SITE.page(
            request,
            "outage.html",
            outage=found.view,
            listed=found.members,
            members=shown,
            following=shown[-1].device_id if len(members) > MEMBERS_MAX else None,
            after=after,
            show=show,
            names=names,
            now=clock.now(),
        )

    @router.get("/{outage_id}/worklist.csv")
    @reads_people
    async def worklist(outage_id: uuid.UUID, who: Reader) -> Response:
        return await as_download(pool, outage_id, Scope.of(who))


def _add_ticking(router: APIRouter, pool: Pool, clock: Clock) -> None:
    @router.post("/{outage_id}/members/{device_id}/contacted")
    @never_waits
    async def contacted(
        request: Request, outage_id: uuid.UUID, device_id: DeviceText, who: Operator, session: Signed, form: Form
    ) -> Response:
        note = form.get("note", "").replace("\r\n", "\n").strip() or None
        try:
            body = ContactedBody(operator=session.operator, note=note)
        except ValidationError:
            say = f"at most {action.NOTE_LENGTH_MAX} characters, none of them invisible"
            raise invalid(("note", say)) from None
        view = await tick(pool, clock, outage_id, device_id, body, who)
        if not wants_page(request):
            return JSONResponse(view.model_dump(mode="json"))
        back = {name: form[name] for name in ("after", "show") if form.get(name)}
        query = f"?{urlencode(back)}" if back else ""
        return RedirectResponse(f"/console/outages/{outage_id}{query}#list", HTTPStatus.SEE_OTHER)
