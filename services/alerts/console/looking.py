"""Pages to look at, and the stream that says when to look again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from services.alerts.console import presence
from services.alerts.console.board import read_board
from services.alerts.console.embedding import Embedding
from services.alerts.console.site import SITE
from services.alerts.console.sql import QUERIES
from services.alerts.console.story import read_story
from services.alerts.console.stream import Stream
from services.alerts.console.turns import Turns
from services.alerts.http.asker import Reader, Scope
from services.alerts.store import as_uuid
from services.chassis.audit import never_waits, reads_people, unaudited
from services.chassis.clock import Clock
from services.chassis.http import Problem
from services.chassis.pages import Session, Sessions, Signed, secret_of
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

_PRESENCE: Final = "said every few seconds by a page that is open; nothing of the alarm changes"


def add_looking(
    router: APIRouter, pool: Pool, clock: Clock, stream: Stream, sessions: Sessions, embedding: Embedding
) -> None:
    """Whoever may read alarms may look."""
    turns = Turns()

    async def show(request: Request, session: Session, alarm_id: str | None) -> Response:
        async with turns.one():
            now = clock.now()
            async with borrow(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
                board = await read_board(connection, session, now)
                story = None if alarm_id is None else await read_story(connection, alarm_id, session, now)
            if alarm_id is not None and story is None:
                raise _not_found()
            return SITE.page(request, "console.html", board=board, story=story, now=now, embedding=embedding)

    @router.get("/")
    @reads_people
    @never_waits
    async def queue(request: Request, _who: Reader, session: Signed) -> Response:
        return await show(request, session, None)

    @router.get("/alarms/{alarm_id}")
    @reads_people
    @never_waits
    async def alarm(request: Request, alarm_id: str, _who: Reader, session: Signed) -> Response:
        return await show(request, session, alarm_id)

    @router.get("/stream", response_class=StreamingResponse)
    @reads_people
    @never_waits
    async def follow(
        request: Request,
        who: Reader,
        after: Annotated[str | None, Query(max_length=64)] = None,
        last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    ) -> Response:
        """From the cursor of the page that asks, or from where it was when its connection broke."""
        secret = secret_of(request)

        async def still_signed_in() -> bool:
            return await sessions.stands(secret, who)

        events = stream.follow(Scope.of(who), last_event_id or after, still_signed_in)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        )


def add_presence(router: APIRouter, pool: Pool, clock: Clock) -> None:
    """Who looks at what, said by the pages themselves."""

    @router.post("/alarms/{alarm_id}/looking")
    @unaudited(_PRESENCE)
    async def looking(alarm_id: str, who: Reader, session: Signed) -> Response:
        """Said every few seconds while the alarm is before the operator's eyes."""
        id_ = as_uuid(alarm_id)
        async with borrow(pool) as connection:
            if id_ is None or not await _may_see(connection, id_, Scope.of(who)):
                raise _not_found()
            others = await presence.look(connection, str(id_), session, clock.now())
        return JSONResponse({"others": others})

    @router.post("/alarms/{alarm_id}/left")
    @unaudited(_PRESENCE)
    async def left(alarm_id: str, session: Signed) -> Response:
        id_ = as_uuid(alarm_id)
        if id_ is not None:
            async with borrow(pool) as connection:
                await presence.leave(connection, str(id_), session)
        return Response(status_code=HTTPStatus.NO_CONTENT)


async def _may_see(connection: Connection, alarm_id: object, scope: Scope) -> bool:
    return bool(await connection.fetchval(QUERIES["may_see"], alarm_id, scope.hub, scope.councils))


def _not_found() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such alarm, or it is not one of your hub's.")
