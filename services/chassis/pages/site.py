"""A service's pages: one prefix, one folder of templates, one of static files, and one look for all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from services.chassis.http.problems import database_away
from services.chassis.pages import times
from services.chassis.pages.assets import Assets
from services.chassis.pages.gate import Gate, same_origin, wants_page
from services.chassis.pages.ways import home_of, links_for
from services.chassis.postgres import is_transient

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SCRIPTS: Final = "; script-src 'self'; connect-src 'self'; manifest-src 'self'"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    # A form's Origin is `null` where no referrer may be sent, even to ourselves; and by it we know our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HERE: Final = Path(__file__)


class Site:
    """`Site("/engineer", __file__)`: its templates and static files are in `templates/` and `static/` beside the file.

    `environment` is Jinja's: add filters and globals of one's own to it. Whatever is put into a template is text, never markup.
    A site without `scripts` forbids them.
    """

    def __init__(self, prefix: str, file: str, *, scripts: bool = True) -> None:
        self.prefix = prefix
        self._headers = _HEADERS | {"Content-Security-Policy": _POLICY + (_SCRIPTS if scripts else "")}
        self._assets = Assets(Path(file).with_name("static"))
        self.version = self._assets.version
        self.environment = Environment(
            loader=ChoiceLoader(
                [FileSystemLoader(Path(file).with_name("templates")), FileSystemLoader(_HERE.with_name("templates"))]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals |= {
            "static": f"{prefix}/static/{self.version}",
            "common": f"/site/static/{_COMMON.version}",
            "version": self.version,
            "span": times.span,
            "day_and_time": times.day_and_time,
        }
        self.environment.filters |= {"clock_time": times.clock_time, "exact": times.exact, "iso": times.iso}

    def page(
        self, request: Request, template: str, status: HTTPStatus = HTTPStatus.OK, /, **values: Any
    ) -> HTMLResponse:
        """The template's page, under a policy that lets a browser run and fetch only what comes from here.

        A template that extends `base.html` has `session` (None before the sign-in), and `links`: the pages of its role.
        """
        session = getattr(request.state, "session", None)
        known = {
            "session": session,
            "links": links_for(request, session.who.role) if session else [],
            "home": home_of(request, session.who.role if session else None),
            "path": request.url.path,
            "ways_in": getattr(request.app.state, "ways_in", ()),
        }
        text = self.environment.get_template(template).render(known | values)
        return HTMLResponse(text, status, headers=self._headers)

    def router(self, *dependencies: Any) -> APIRouter:
        """For pages that need no sign-in. Errors are pages too; what changes something must come from a page of ours."""
        return APIRouter(
            prefix=self.prefix,
            include_in_schema=False,
            route_class=PageRoute,
            dependencies=[Depends(same_origin), *dependencies],
        )

    def gated(self, gate: Gate) -> APIRouter:
        """For pages behind the sign-in, to which whoever is not signed in is sent."""
        return self.router(Depends(gate))

    def static_router(self) -> APIRouter:
        """Serves the static files; `{{ static }}` is their address in templates."""
        router = self.router()

        @router.get("/static/{version}/{name}")
        async def static(version: str, name: str) -> Response:
            return self._assets.response(version, name)

        return router


class PageRoute(APIRoute):
    """Errors are pages, where a page was asked for; and who isn't signed in is asked to."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_for_people(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                if not wants_page(request):
                    raise
                problem = database_away(error, request.url.path) if is_transient(error) else error
                if not isinstance(problem, HTTPException):
                    raise
                return _told(request, problem)

        return handle_for_people


def _told(request: Request, problem: HTTPException) -> Response:
    if problem.status_code == HTTPStatus.UNAUTHORIZED:
        return RedirectResponse(_door_of(request), HTTPStatus.SEE_OTHER)
    status = HTTPStatus(problem.status_code)
    after_s = (problem.headers or {}).get("Retry-After")
    again = after_s if status == HTTPStatus.SERVICE_UNAVAILABLE and request.method == "GET" else None
    answer = COMMON.page(request, "trouble.html", status, title=status.phrase, detail=problem.detail, again=again)
    answer.headers.update(problem.headers or {})
    return answer


def _door_of(request: Request) -> str:
    """The sign-in, and from there back to what was asked for, if that was only to look."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "from"]
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in asked)
    path = f"{request.url.path}?{query}" if query and request.method == "GET" else request.url.path
    came_from = request.query_params.get("from", "")
    return f"/sign-in?next={quote(path)}{'&from=sign-in' if came_from == 'sign-in' else ''}"


_COMMON: Final = Assets(_HERE.with_name("static"))
COMMON: Final = Site("/site", __file__)
"""What all sites share: the base template, the style sheet, the page that tells of trouble."""
