"""Templates into answers, each under a policy that lets a browser run and fetch only what comes from here."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, get_args

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.notification import AlarmNotificationType
from services.alerts.console import times, words
from services.alerts.console.assets import VERSION

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    # A form's Origin is `null` where no referrer may be sent, even to ourselves; and by it we know our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "static": f"/console/static/{VERSION}",
        "version": VERSION,
        "events": get_args(AlarmNotificationType),
        "outcomes": words.OUTCOMES,
        "priorities": words.PRIORITIES,
        "channels": words.CHANNELS,
        "headline": words.headline,
        "what_happened": words.what_happened,
        "span": times.span,
        "day_and_time": times.day_and_time,
    }
    environment.filters |= {
        "place": words.place,
        "why": words.why,
        "clock_time": times.clock_time,
        "exact": times.exact,
        "iso": times.iso,
    }
    return environment


_ENVIRONMENT: Final = _environment()


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """The template's page; whatever is put into it is text, never markup."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**values), status, headers=HEADERS)
