"""`/api/v1/devices/import` and `/export`: many devices at once, as spreadsheets write and read them."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from services.chassis.audit import reads_people
from services.chassis.clock import Clock
from services.chassis.http import Access, Problem
from services.registry.bulk import writing
from services.registry.bulk.desk import Desk
from services.registry.bulk.reading import BODY_BYTES_MAX
from services.registry.bulk.report import ImportAnswer, Report
from services.registry.bulk.store import BulkStore
from services.registry.devices.http import Sought, within
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import Asked
from services.registry.roles import Anyone, Fitter

IMPORT_PATH: Final = "/api/v1/devices/import"

AnyResponse = TypeVar("AnyResponse", bound=Response)

_CSV: Final = "text/csv"
_READ_WITHIN_S: Final = 120
_FILES_MAX: Final = 3
_RETRY_AFTER_S: Final = 10
_NO_FILE: Final = ("multipart/", "application/json")

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"CSV in UTF-8 with a header row, {BODY_BYTES_MAX // 2**20} MiB at most.",
        "content": {_CSV: {"schema": {"type": "string"}}},
    }
}

DryRun: TypeAlias = Annotated[bool, Query(description="Say what would happen, and store nothing.")]
Mode: TypeAlias = Annotated[
    Literal["all", "good"], Query(description="Store everything or nothing; or the rows in which nothing is wrong.")
]
Update: TypeAlias = Annotated[
    bool, Query(description="Change devices that are registered otherwise; else such a row is an error.")
]


def routes(store: BulkStore, devices: DeviceStore, access: Access, clock: Clock) -> APIRouter:
    """To be mounted before the routes of single devices: `export` could be the id of one."""
    router = access.router(prefix="/api/v1/devices", tags=["devices"])
    desk = Desk(store)
    places = asyncio.Semaphore(_FILES_MAX)

    @router.post("/import", openapi_extra=_BODY, responses={200: {"model": ImportAnswer, "content": {_CSV: {}}}})
    async def import_devices(
        request: Request, who: Fitter, *, dry_run: DryRun = False, mode: Mode = "all", update: Update = False
    ) -> Response:
        """Register the devices of a CSV file; the same file again changes nothing.

        What is wrong is told by line, cell and column: the first hundred faults, or with `Accept: text/csv` all of them. 422 when
        nothing was stored because of them.
        """
        if places.locked():
            raise _busy()
        async with places:
            body = await _read(request)
            asked = Asked(who.name, clock.now())
            reach = None if who.councils is None else frozenset(who.councils)
            report = await desk.take(body, asked, reach, dry_run=dry_run, mode=mode, update=update)
        return _answer(report, as_csv=_CSV in request.headers.get("accept", ""))

    @router.get("/export", response_class=StreamingResponse, responses={200: {"content": {_CSV: {}}}})
    @reads_people
    async def export_devices(who: Anyone, sought: Sought) -> StreamingResponse:
        """The devices that the caller may see, as a CSV file that can be imported again; formulas are defused."""
        filter_ = await within(devices, who, sought)
        return _file(StreamingResponse(writing.export(store, filter_)), "devices.csv")

    return router


async def _read(request: Request) -> bytes:
    """The file. Its length has an end (chassis), and so has its patience."""
    kind = request.headers.get("content-type", "")
    if kind.startswith(_NO_FILE):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Send the file itself as the body, as {_CSV}: curl --data-binary @devices.csv -H 'Content-Type: {_CSV}' …",
        )
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            return await request.body()
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, f"The file did not arrive within {_READ_WITHIN_S} s.") from None


def _answer(report: Report, *, as_csv: bool) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if report.refused_whole else HTTPStatus.OK
    if as_csv:
        return _file(Response(writing.errors(report.faults), status), "errors.csv")
    if report.refused_whole:
        raise Problem(status, report.sentence, errors=report.errors(), **report.figures())
    return JSONResponse(report.figures() | {"errors": report.errors()})


def _file(response: AnyResponse, name: str) -> AnyResponse:
    response.headers["Content-Type"] = f"{_CSV}; charset=utf-8; header=present"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _busy() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Other files are being imported; try again.",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )
