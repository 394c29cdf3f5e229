"""What an operator does to an alarm from the console: decided by the same `People` as over HTTP and MQTT."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError, field_validator

from contracts import action
from contracts.vocabulary import Outcome
from services.alerts.domain.triggers import Acknowledge, Close, Release
from services.alerts.http.asker import Operator
from services.alerts.http.routes import act
from services.alerts.people import People
from services.alerts.silences.bodies import SilenceBody, SilenceView
from services.alerts.silences.http import end_silence, start_silence
from services.chassis.audit import never_waits
from services.chassis.clock import Clock
from services.chassis.http import invalid
from services.chassis.pages import Form, Signed, wants_page
from services.chassis.postgres import Pool


class Closing(BaseModel):
    """The form that closes an alarm."""

    outcome: Outcome
    note: action.Note | None = None

    @field_validator("note", mode="before")
    @classmethod
    def _as_written(cls, note: str | None) -> str | None:
        """A form's lines end in CR LF, which its writer never counted."""
        return note.replace("\r\n", "\n").strip() or None if note else None


class Silencing(BaseModel):
    """The form that silences a device, or its whole council, from one of its alarms."""

    council_id: str
    device_id: str | None = None
    priority: Annotated[int, Field(ge=3, le=5)]
    minutes: int
    reason: str

    @field_validator("device_id")
    @classmethod
    def _none_when_empty(cls, device_id: str | None) -> str | None:
        return device_id or None


def add_acting(router: APIRouter, pool: Pool, clock: Clock, people: People) -> None:
    """For operators of a hub and for ops: 403 for others, 409 naming who has it."""

    async def do(request: Request, alarm_id: str, what: Acknowledge | Release | Close, who: Operator) -> Response:
        view = await act(pool, clock, people, alarm_id, what, who)
        if wants_page(request):
            return RedirectResponse(f"/console/alarms/{view.alarm_id}", HTTPStatus.SEE_OTHER)
        return JSONResponse({"alarm_id": view.alarm_id, "state": view.state, "acknowledged_by": view.acknowledged_by})

    @router.post("/alarms/{alarm_id}/acknowledge")
    @never_waits
    async def acknowledge(request: Request, alarm_id: str, who: Operator, session: Signed) -> Response:
        return await do(request, alarm_id, Acknowledge(session.operator), who)

    @router.post("/alarms/{alarm_id}/release")
    @never_waits
    async def release(request: Request, alarm_id: str, who: Operator, session: Signed) -> Response:
        return await do(request, alarm_id, Release(session.operator), who)

    @router.post("/alarms/{alarm_id}/close")
    @never_waits
    async def close(request: Request, alarm_id: str, who: Operator, session: Signed, form: Form) -> Response:
        try:
            closing = Closing.model_validate(form)
        except ValidationError as error:
            field = str(error.errors(include_input=False)[0]["loc"][0])
            say = {
                "outcome": "say what came of it",
                "note": f"at most {action.NOTE_LENGTH_MAX} characters, none of them invisible",
            }
            raise invalid((field, say[field])) from None
        return await do(request, alarm_id, Close(session.operator, closing.outcome, closing.note), who)


def add_silencing(router: APIRouter, pool: Pool, clock: Clock) -> None:
    """As over the API: `services/alerts/silences`."""

    def done(request: Request, silence: SilenceView) -> Response:
        if wants_page(request):
            return RedirectResponse("/console/", HTTPStatus.SEE_OTHER)
        return JSONResponse({"silence_id": str(silence.silence_id), "active": silence.active})

    @router.post("/silences")
    async def start(request: Request, who: Operator, session: Signed, form: Form) -> Response:
        try:
            asked = Silencing.model_validate(form)
            body = SilenceBody(
                council_id=asked.council_id,
                device_id=asked.device_id,
                priorities=list(range(asked.priority, 6)),
                minutes=asked.minutes,
                reason=asked.reason,
                operator=session.operator,
            )
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            raise invalid((str(fault["loc"][0]) if fault["loc"] else "body", fault["msg"])) from None
        return done(request, await start_silence(pool, clock, body, who))

    @router.post("/silences/{silence_id}/end")
    @never_waits
    async def end(request: Request, silence_id: uuid.UUID, who: Operator, session: Signed) -> Response:
        return done(request, await end_silence(pool, clock, silence_id, session.operator, who))
