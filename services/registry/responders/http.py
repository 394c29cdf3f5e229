"""`/api/v1/councils/{council_id}/responders`. For ops only: these are people's contacts."""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import structlog
from fastapi import APIRouter, Response

from contracts.fields import Slug
from services.chassis.audit import reads_people
from services.chassis.clock import Clock
from services.chassis.http import Access, ById, Page, Problem, invalid
from services.registry.councils.found import found_council
from services.registry.domain.responder import RESPONDERS_MAX, Misfit
from services.registry.responders.bodies import ResponderBody
from services.registry.responders.store import ResponderStore
from services.registry.responders.values import (
    AddressTaken,
    Refusal,
    Responder,
    TooMany,
    UnknownCouncil,
    UnknownResponder,
)
from services.registry.roles import Ops

_log = structlog.get_logger(__name__)

T = TypeVar("T")


def routes(responders: ResponderStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/councils/{council_id}/responders", tags=["responders"])

    @router.get("")
    @reads_people
    async def list_responders(council_id: Slug, _who: Ops, paging: ById) -> Page[Responder]:
        """A council's responders, in their order."""
        found = _accepted(await responders.of(council_id), council_id)
        following = [each for each in found if paging.after_id is None or _key(each)[1] > paging.after_id]
        return paging.page(following, key=_key)

    @router.post("", status_code=HTTPStatus.CREATED)
    async def add_responder(council_id: Slug, body: ResponderBody, who: Ops, response: Response) -> Responder:
        """Add a responder, at the end of the order unless told otherwise. It counts once verified."""
        added = _accepted(await responders.add(council_id, body.wanted(), clock.now()), council_id)
        response.headers["Location"] = f"/api/v1/councils/{council_id}/responders/{added.responder_id}"
        _log.info("responder_added", council_id=council_id, responder_id=str(added.responder_id), by=who.name)
        return added

    @router.put("/{responder_id}")
    async def put_responder(council_id: Slug, responder_id: UUID, body: ResponderBody, who: Ops) -> Responder:
        """Change a responder: what is left out stays, for it can't be read. Another address has to be verified again."""
        put = _accepted(await responders.put(council_id, responder_id, body.wanted(), clock.now()), council_id)
        _log.info("responder_changed", council_id=council_id, responder_id=str(responder_id), by=who.name)
        return put

    @router.delete("/{responder_id}", status_code=HTTPStatus.NO_CONTENT)
    async def remove_responder(council_id: Slug, responder_id: UUID, who: Ops) -> None:
        """Remove a responder. What it was told stays on record; its name and address do not."""
        _accepted(await responders.remove(council_id, responder_id, clock.now()), council_id)
        _log.info("responder_removed", council_id=council_id, responder_id=str(responder_id), by=who.name)

    return router


def _key(responder: Responder) -> tuple[None, str]:
    return None, f"{responder.position:05}"


def _accepted(answer: T | Refusal, council_id: str) -> T:
    match answer:
        case UnknownCouncil():
            return found_council(None, council_id)
        case UnknownResponder():
            raise Problem(HTTPStatus.NOT_FOUND, f"{council_id} has no such responder; GET …/responders lists them.")
        case Misfit():
            raise invalid(*answer.faults)
        case AddressTaken():
            detail = f"The responder {answer.responder_id} has this address already: every call would come twice."
            raise Problem(HTTPStatus.CONFLICT, detail, responder_id=str(answer.responder_id))
        case TooMany():
            detail = f"{council_id} has {RESPONDERS_MAX} responders, and may have no more: remove one first."
            raise Problem(HTTPStatus.CONFLICT, detail)
        case _:
            return answer
