"""Pages for people: one look, one sign-in, one set of manners, for the pages of every service.

How to make one, for a service that has a folder `services/<service>/<room>/` with `page.py`, `templates/`, `static/`:

1.  A site. Its templates extend `base.html` and fill the blocks `title`, `head` and `main` (or `page`, for a page that is all its
    own). Colours, buttons, forms, tables, `.hint`, `.trouble`, `.box`, `.scrolls`: see `static/site.css`. No inline style or script
    runs (the policy forbids it): put `<link rel="stylesheet" href="{{ static }}/room.css">` into `head`. Scripts are ES modules in
    `static/`, as `<script type="module" src="{{ static }}/room.js"></script>`; their address changes with their content.

        SITE: Final = Site("/room", __file__)
        SITE.environment.filters |= {"percent": percent}

2.  A router behind the sign-in. `who` says which roles it takes, as in the API, and is whom the session stands for; `Signed` is the
    session (`session.operator` is the person's name). Errors raised as `Problem` are a page to a person, a problem document to a
    script. Whatever is no GET must come from a page of ours (`same_origin`), which `gated` sees to.

        def page_routers(pool: Pool, clock: Clock, gate: Gate) -> Sequence[APIRouter]:
            router = SITE.gated(gate)

            @router.get("/")
            async def show(request: Request, who: Fitter) -> Response:
                return SITE.page(request, "room.html", things=await …)

            @router.post("/things")
            async def add(request: Request, who: Fitter, session: Signed, form: Form) -> Response:
                …
                return RedirectResponse("/room/", HTTPStatus.SEE_OTHER) if wants_page(request) else JSONResponse({…})

            return SITE.static_router(), router

    A script sends `X-Telecare-Script: 1` and `Accept: application/json`, and is answered 401 where a person is sent to the door.
    JSON bodies are as welcome as forms: declare a pydantic model.

3.  In the service's `build`: its gate, its routers, and a `Link`, by which the page is on the front page, in the header of every
    page for these roles, and somewhere that a sign-in may go on to.

        gate = Gate(Sessions(pool, clock, Access(pool, settings, clock)))
        Service(…, routers=[…, *page_routers(pool, clock, gate)],
                links=[Link("/room/", "Room", "what it is for, in a few words", frozenset({"ops", "engineer"}))])

    `chassis.run` mounts the door itself (`/sign-in`, `/sign-out`, `/session`), once per process, where a service has links.

4.  A test: start the service with `running(settings, [build])`, post `token` and `operator` to `/sign-in` with an `Origin` header
    (see `Caller` in `tests/integration/alerts/console/conftest.py`), then ask for the page. In the browser: `Screen` of
    `tests/browser/operators.py`, whose `accessibility_faults`, `small_targets` and `overflow_px` must find nothing, at 360 px
    and at 1200, light and dark.
"""

from services.chassis.pages.cookie import is_loopback, keep, secret_of
from services.chassis.pages.gate import Form, Gate, Signed, same_origin, wants_page
from services.chassis.pages.sessions import LASTS, Session, Sessions
from services.chassis.pages.site import PageRoute, Site

__all__ = [
    "LASTS",
    "Form",
    "Gate",
    "PageRoute",
    "Session",
    "Sessions",
    "Signed",
    "Site",
    "is_loopback",
    "keep",
    "same_origin",
    "secret_of",
    "wants_page",
]
