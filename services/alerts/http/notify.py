"""`/api/v1/notify/receipts`: GOV.UK Notify's callbacks, under a token of their own."""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, SecretStr

from services.alerts.channels.sms.receipts import hasten
from services.chassis.audit import unaudited
from services.chassis.clock import Clock
from services.chassis.http import Problem
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

_bearer = HTTPBearer(auto_error=False, scheme_name="notify", description="TELECARE_NOTIFY_CALLBACK_TOKEN.")


class NotifyReceipt(BaseModel):
    """What of a callback is used: whose it is. Not whom the text went to (`to`), which so can be in no log."""

    id: UUID


def notify_routes(pool: Pool, clock: Clock, token: SecretStr | None) -> APIRouter:
    """The router; without a token nobody is let in."""
    expected = _digest(token.get_secret_value()) if token else None

    async def authenticate(credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> None:
        given = _digest(credentials.credentials) if credentials else b""
        if expected is None or not hmac.compare_digest(given, expected):
            detail = "This takes the bearer token of TELECARE_NOTIFY_CALLBACK_TOKEN, once that is set."
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})

    router = APIRouter(prefix="/api/v1/notify", tags=["notify"], dependencies=[Depends(authenticate)])

    @router.post("/receipts", status_code=HTTPStatus.NO_CONTENT)
    @unaudited("a provider says that it knows more: what that is, is asked of it")
    async def take(receipt: NotifyReceipt) -> None:
        """A text's status has changed. What it is now is asked of Notify itself; an id that is none of ours is no error."""
        async with borrow(pool) as connection:
            await hasten(connection, receipt.id, clock.now())

    return router


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
