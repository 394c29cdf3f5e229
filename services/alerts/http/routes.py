"""The endpoints. What the caller may see is part of each statement; what the caller may do is decided with the alarm locked."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, assert_never

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, model_validator

from contracts import action
from contracts.access import Principal
from contracts.alarm import AlarmDetail, AlarmStory, AlarmView
from contracts.fields import STORABLE_PATTERN
from contracts.vocabulary import AlarmState, Outcome
from services.alerts.alarms import Alarms
from services.alerts.domain.decision import Decision, Refusal, RefusalReason
from services.alerts.domain.triggers import Acknowledge, Close, Release
from services.alerts.http.asker import Operator, Reader, Scope
from services.alerts.http.feed import Feed
from services.alerts.http.store import AlarmFilter, list_alarms, read_alarm, read_story
from services.alerts.people import Forbidden, People
from services.alerts.store import as_uuid
from services.chassis.audit import never_waits, reads_people
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page, Problem, invalid
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow


class OperatorBody(BaseModel):
    """Who does it."""

    operator: action.Operator


class CloseBody(OperatorBody):
    """What came of it; the note is about a person, and never logged."""

    outcome: Outcome
    note: action.Note | None = None

    _ask_for_outcome = model_validator(mode="before")(action.ask_for_outcome)


def routes(reading: Pool, acting: Pool, clock: Clock, alarms: Alarms, feed: Feed, access: Access) -> APIRouter:
    """The router, to be mounted beside those of other services."""
    router = access.router(prefix="/api/v1/alarms", tags=["alarms"])
    _add_reading(router, reading, feed)
    _add_acting(router, acting, clock, People(alarms))
    return router


def _add_reading(router: APIRouter, pool: Pool, feed: Feed) -> None:
    @router.get("")
    @reads_people
    @never_waits
    async def get_alarms(who: Reader, paging: NewestFirst, wanted: Annotated[_Wanted, Query()]) -> Page[AlarmView]:
        """Alarms, newest first; of all states unless asked."""
        if paging.after_id is not None and as_uuid(paging.after_id) is None:
            raise invalid(("cursor", "not a cursor of this list; start again without one"))
        async with borrow(pool) as connection:
            views = await list_alarms(connection, wanted.filter(), Scope.of(who), paging)
        return paging.page(views, key=lambda view: (view.received_at, view.alarm_id))

    @router.get("/stream", response_class=StreamingResponse)
    @reads_people
    @never_waits
    async def stream(
        who: Reader, last_event_id: Annotated[str | None, Header(max_length=64)] = None
    ) -> StreamingResponse:
        """Server-sent events: what is not closed (`snapshot`), then every transition, with no gap between the two.

        `data` is an alarm. With `Last-Event-ID` it goes on from there, without the snapshot.
        """
        events = feed.follow(Scope.of(who), last_event_id)
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    @router.get("/{alarm_id}")
    @reads_people
    @never_waits
    async def get_alarm(alarm_id: str, who: Reader) -> AlarmDetail:
        """One alarm, with its history."""
        async with borrow(pool) as connection:
            detail = await read_alarm(connection, alarm_id, Scope.of(who))
        if detail is None:
            raise _not_found()
        return detail

    @router.get("/{alarm_id}/story")
    @reads_people
    @never_waits
    async def get_story(alarm_id: str, who: Reader) -> AlarmStory:
        """One alarm with all that led to it and came of it: what its device sent, its history, who was told and when."""
        async with borrow(pool) as connection:
            story = await read_story(connection, alarm_id, Scope.of(who), with_errors=who.role == "ops")
        if story is None:
            raise _not_found()
        return story


def _add_acting(router: APIRouter, pool: Pool, clock: Clock, people: People) -> None:
    @router.post("/{alarm_id}/acknowledge")
    @never_waits
    async def acknowledge(alarm_id: str, body: OperatorBody, who: Operator) -> AlarmView:
        """Take it. The same operator may say so again; 409 names another who has it."""
        return await act(pool, clock, people, alarm_id, Acknowledge(body.operator), who)

    @router.post("/{alarm_id}/release")
    @never_waits
    async def release(alarm_id: str, body: OperatorBody, who: Operator) -> AlarmView:
        """Give it back: it is open, and escalates, again."""
        return await act(pool, clock, people, alarm_id, Release(body.operator), who)

    @router.post("/{alarm_id}/close")
    @never_waits
    async def close(alarm_id: str, body: CloseBody, who: Operator) -> AlarmView:
        """It is dealt with, and this is what came of it."""
        return await act(pool, clock, people, alarm_id, Close(body.operator, body.outcome, body.note), who)


async def act(
    pool: Pool, clock: Clock, people: People, alarm_id: str, what: Acknowledge | Release | Close, who: Principal
) -> AlarmView:
    """Do it in a transaction of its own, for whoever asked over HTTP. A Problem says why not: 403, 404, 409."""
    async with borrow(pool) as connection:
        async with connection.transaction():
            outcome, after_commit = await people.act(connection, alarm_id, what, who.hub_id, clock.now())
        if after_commit is not None:
            after_commit()
    return _answer(outcome)


_Word = Annotated[str, Query(max_length=64, pattern=STORABLE_PATTERN)]


class _Wanted(BaseModel):
    state: AlarmState | None = None
    priority: Annotated[int, Query(ge=1, le=5)] | None = None
    council: _Word | None = None
    hub: _Word | None = None
    device: _Word | None = None
    canary: Annotated[bool, Query(description="`false` leaves out the canary's, of which there is one a minute.")] = (
        True
    )

    def filter(self) -> AlarmFilter:
        return AlarmFilter(self.state, self.priority, self.council, self.hub, self.device, self.canary)


def _answer(outcome: Decision | Refusal | Forbidden) -> AlarmView:
    match outcome:
        case Decision():
            return outcome.alarm.view()
        case Forbidden():
            raise Problem(HTTPStatus.FORBIDDEN, "Your hub was not told of this alarm, nor is its council yours.")
        case Refusal():
            raise _refused(outcome)
        case _:
            assert_never(outcome)


def _refused(refusal: Refusal) -> Problem:
    match refusal.reason:
        case RefusalReason.UNKNOWN_ALARM:
            return _not_found()
        case RefusalReason.ALREADY_ACKNOWLEDGED:
            return Problem(
                HTTPStatus.CONFLICT,
                f"{refusal.acknowledged_by} has this alarm.",
                result=refusal.reason,
                acknowledged_by=refusal.acknowledged_by,
            )
        case RefusalReason.ALREADY_CLOSED:
            return Problem(HTTPStatus.CONFLICT, "This alarm is closed.", result=refusal.reason)
        case RefusalReason.NOT_DUE:
            raise AssertionError("only a time-out can come too early")
        case _:
            assert_never(refusal.reason)


def _not_found() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such alarm.")
