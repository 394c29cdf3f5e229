"""Labels for boxes: the QR code is the address of the box's page, which the phone's own camera opens. Nothing in it is secret."""

from __future__ import annotations

import io
from typing import Annotated, Final
from urllib.parse import quote

import segno
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from markupsafe import Markup

from contracts.fields import STORABLE_PATTERN
from services.chassis.http import invalid
from services.registry.engineer.site import SITE
from services.registry.engineer.store import EngineerStore
from services.registry.roles import Fitter

LABELS_MAX: Final = 210
"""Ten sheets."""
_SHEET: Final = 21

Wanted = Annotated[list[Annotated[str, Query(max_length=16_384, pattern=STORABLE_PATTERN)]], Query()]


def add_labels(router: APIRouter, store: EngineerStore, public_url: str | None) -> None:
    """`/engineer/labels?devices=TC-1,TC-2` or `?devices=TC-1&devices=TC-2`: to print, 21 on a sheet of A4."""

    @router.get("/labels")
    async def labels(request: Request, who: Fitter, devices: Wanted) -> Response:
        wanted = list(dict.fromkeys(each.strip() for some in devices for each in some.split(",") if each.strip()))
        if not 1 <= len(wanted) <= LABELS_MAX:
            raise invalid(("devices", f"give 1 to {LABELS_MAX} device ids"))
        found = await store.labelled(wanted, who.councils)
        base = public_url or str(request.base_url)
        printed = [(each, qr_code(address_of(base, each.serial))) for each in found]
        sheets = [printed[at : at + _SHEET] for at in range(0, len(printed), _SHEET)]
        missing = len(wanted) - len(found)
        return SITE.page(request, "labels.html", sheets=sheets, missing=missing, is_public=public_url is not None)


def address_of(base: str, serial: str) -> str:
    """Of the page of the box with this serial."""
    return f"{base.rstrip('/')}/engineer/s/{quote(serial, safe='')}"


def qr_code(text: str) -> Markup:
    """As an inline SVG without sizes or styles of its own. Error correction M: a label in a hallway is scratched."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, svgclass=None, lineclass=None, border=4, nl=False
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno's own, of modules; the text is not in it
