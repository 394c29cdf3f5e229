"""A visitor of the demo: in with one click, and with a pendant to press. These routes exist in the demo alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from services.alerts.console import Button, Embedding
from services.alerts.parts import ROLE
from services.alerts.service import build as build_alerts
from services.chassis.http import Access, Problem
from services.chassis.pages import LASTS, Sessions, is_loopback, keep, same_origin, wants_page
from services.chassis.postgres import open_pool
from services.chassis.service import Entrance, Runtime, Service
from services.simulator.occurrence import Occurrence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.chassis.run import Build
    from services.simulator import Fleet, SimulatedHub

NAME: Final = "Visitor"
_LEFT_TO_THEM_S: Final = 30.0
_PRESS: Final = Occurrence(kind="personal_trigger", peripheral_id="pendant-1", location="home")
_SIGN_IN: Final = Entrance("Sign in as a visitor of the demo", "/console/demo/sign-in")
_PENDANT: Final = Button("Press a pendant", "/console/demo/press")


@dataclass(slots=True)
class Visitor:
    """What a visitor may do. `fleet` and `hub` come once they are there."""

    token: str
    fleet: Fleet | None = None
    hub: SimulatedHub | None = None
    _pressed: count[int] = field(default_factory=count, init=False)

    def builds(self, builds: Sequence[Build]) -> list[Build]:
        """Those, with a console that lets the visitor in, and what answers its buttons."""
        embedding = Embedding(tools=(_PENDANT,))
        alerts = partial(build_alerts, embedding=embedding)
        return [*(alerts if each is build_alerts else each for each in builds), self._build]

    def press(self) -> str | None:
        """The next box in turn; the simulated operators leave it to the visitor for a while. None while all are off."""
        if self.fleet is None:
            return None
        boxes = list(self.fleet.boxes)
        device_id = boxes[next(self._pressed) % len(boxes)]
        if self.hub is not None and self.hub.desk is not None:
            self.hub.desk.leave(device_id, _LEFT_TO_THEM_S)
        return device_id if self.fleet.raise_alarm(device_id, _PRESS) else None

    async def _build(self, runtime: Runtime) -> Service:
        pool = await open_pool(runtime.database_url, role=ROLE, name="demo", size=1)
        sessions = Sessions(pool, runtime.clock, Access(pool, runtime.settings, runtime.clock))

        async def close() -> None:
            pool.terminate()

        return Service(name="demo", routers=(self._router(sessions),), entrances=(_SIGN_IN,), close=close)

    def _router(self, sessions: Sessions) -> APIRouter:
        router = APIRouter(
            prefix="/console/demo", include_in_schema=False, dependencies=[Depends(same_origin), Depends(_from_here)]
        )

        @router.post("/sign-in")
        async def sign_in(request: Request) -> Response:
            opened = await sessions.open(self.token, NAME)
            if opened is None:
                raise Problem(HTTPStatus.FORBIDDEN, "The demo's own token is refused.")
            response = RedirectResponse("/console/", HTTPStatus.SEE_OTHER)
            keep(response, request, opened[0], LASTS)
            return response

        @router.post("/press")
        async def press(request: Request) -> Response:
            device_id = self.press()
            if device_id is None:
                raise Problem(HTTPStatus.CONFLICT, "That box is switched off just now. Press again.")
            if wants_page(request):
                return RedirectResponse("/console/", HTTPStatus.SEE_OTHER)
            say = f"{device_id} was pressed. It is yours: the simulated operators leave it alone for {_LEFT_TO_THEM_S:.0f} s."
            return JSONResponse({"say": say})

        return router


async def _from_here(request: Request) -> None:
    """The demo listens on loopback; by any other name it is a page elsewhere that has been pointed here."""
    if not is_loopback(request):
        raise Problem(HTTPStatus.FORBIDDEN, "The demo answers this machine alone.")
