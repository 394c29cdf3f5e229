"""`…/verification` sends a code, `…/verify` takes it: for the channels of hubs, and for responders."""

from __future__ import annotations

import math
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, TypeVar
from uuid import UUID

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import Slug
from contracts.verification import CODE_DIGITS
from services.chassis.clock import Clock
from services.chassis.http import Access, Problem, invalid
from services.registry.domain.verification import ATTEMPTS_MAX, Reason, Refused
from services.registry.hubs.http import refuse_stranger
from services.registry.roles import HubKeeper, Ops
from services.registry.verification.store import Sent, Subject, VerificationStore, Verified

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class CodeBody(BaseModel):
    """The code as it was received."""

    model_config = ConfigDict(extra="forbid")

    # Strict about digits, so that a slip of the hand is not counted as an attempt; lenient about how it is grouped.
    code: Annotated[str, Field(pattern=rf"^ *(?:[0-9][ -]*){{{CODE_DIGITS}}}$", examples=["123456"])]

    @property
    def digits(self) -> str:
        return "".join(filter(str.isdecimal, self.code))


def routes(verifications: VerificationStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1", tags=["verification"])

    async def send(subject: Subject, by: str) -> Sent:
        now = clock.now()
        sent = _accepted(await verifications.send(subject, now), now)
        _log.info("verification_asked", owner=subject.owner_id, channel_id=str(subject.channel_id), by=by)
        return sent

    async def enter(subject: Subject, body: CodeBody, by: str) -> Verified:
        now = clock.now()
        verified = _accepted(await verifications.enter(subject, body.digits, now), now)
        _log.info("channel_verified", owner=subject.owner_id, channel_id=str(subject.channel_id), by=by)
        return verified

    @router.post("/hubs/{hub_id}/channels/{channel_id}/verification", status_code=HTTPStatus.ACCEPTED)
    async def send_to_channel(hub_id: Slug, channel_id: UUID, who: HubKeeper) -> Sent:
        """Send a code over this channel, which then goes to …/verify. One a minute, and five an hour."""
        refuse_stranger(who, hub_id)
        return await send(Subject("hub", hub_id, channel_id), who.name)

    @router.post("/hubs/{hub_id}/channels/{channel_id}/verify")
    async def verify_channel(hub_id: Slug, channel_id: UUID, body: CodeBody, who: HubKeeper) -> Verified:
        """Enter the code that came over this channel: from then on it counts."""
        refuse_stranger(who, hub_id)
        return await enter(Subject("hub", hub_id, channel_id), body, who.name)

    @router.post("/councils/{council_id}/responders/{responder_id}/verification", status_code=HTTPStatus.ACCEPTED)
    async def send_to_responder(council_id: Slug, responder_id: UUID, who: Ops) -> Sent:
        """Send a code to this responder, which then goes to …/verify. One a minute, and five an hour."""
        return await send(Subject("responder", council_id, responder_id), who.name)

    @router.post("/councils/{council_id}/responders/{responder_id}/verify")
    async def verify_responder(council_id: Slug, responder_id: UUID, body: CodeBody, who: Ops) -> Verified:
        """Enter the code that the responder has received: from then on it counts."""
        return await enter(Subject("responder", council_id, responder_id), body, who.name)

    return router


def _accepted(answer: T | Refused, now: datetime) -> T:
    if not isinstance(answer, Refused):
        return answer
    match answer.reason:
        case Reason.UNKNOWN:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such channel or responder.")
        case Reason.VERIFIED:
            raise _problem(HTTPStatus.CONFLICT, answer, "It is verified already, and counts: there is nothing to do.")
        case Reason.NO_CODE:
            detail = "No code has been sent there, or what it is for was changed since: POST …/verification sends one."
            raise _problem(HTTPStatus.CONFLICT, answer, detail)
        case Reason.EXPIRED:
            raise _problem(HTTPStatus.GONE, answer, "The code has expired: POST …/verification sends another.")
        case Reason.USED_UP:
            detail = f"{ATTEMPTS_MAX} wrong codes were entered, so this one is void: POST …/verification sends another."
            raise _problem(HTTPStatus.TOO_MANY_REQUESTS, answer, detail)
        case Reason.TOO_SOON:
            raise _too_soon(answer, now)
        case Reason.WRONG:
            left = answer.attempts_left
            advice = f"{left} more may be tried" if left else "it is void now: POST …/verification sends another"
            raise invalid(("code", f"this is not the code that was sent; {advice}"))


def _too_soon(refused: Refused, now: datetime) -> Problem:
    wait_s = max(1, math.ceil(((refused.again_at or now) - now).total_seconds()))
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"Codes were sent there just now: look for them, or ask again in {wait_s} s.",
        headers={"Retry-After": str(wait_s)},
        reason=refused.reason.value,
    )


def _problem(status: HTTPStatus, refused: Refused, detail: str) -> Problem:
    return Problem(status, detail, reason=refused.reason.value)
