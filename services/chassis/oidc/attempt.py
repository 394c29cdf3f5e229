"""A sign-in on its way: what must come back with the browser, kept by that browser, sealed.

The cookie is Lax and not Strict, for the way back begins at the provider. It says nothing to a thief, is good for ten minutes, and
only together with the code that the provider gives for it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from fastapi import Request
from fastapi.responses import Response

from services.chassis.pages.cookie import is_loopback
from services.chassis.secrets import SecretKeyError, Vault

LASTS: Final = timedelta(minutes=10)
_NAME: Final = "__Host-telecare-sign-in"
_NAME_LOOPBACK: Final = "telecare-sign-in"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`before`: the session that the browser had, as hex of its digest, to be ended by the new one."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    onward: str
    before: str | None
    began_at_s: float

    @classmethod
    def begin(cls, *, redirect_uri: str, onward: str, before: str | None, now: datetime) -> Self:
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (32, 32, 48))
        return cls(state, nonce, verifier, redirect_uri, onward, before, now.timestamp())

    def keep(self, response: Response, request: Request, vault: Vault) -> None:
        response.set_cookie(
            _name(request),
            vault.encrypt(json.dumps(asdict(self)).encode()).decode(),
            max_age=int(LASTS.total_seconds()),
            path="/",
            secure=not is_loopback(request),
            httponly=True,
            samesite="lax",
        )

    @classmethod
    def of(cls, request: Request, vault: Vault, now: datetime) -> Self | None:
        """That which this browser began; None when there is none, or it took too long."""
        sealed = request.cookies.get(_name(request))
        if sealed is None:
            return None
        try:
            found = cls(**json.loads(vault.decrypt(sealed.encode())))
        except (SecretKeyError, ValueError, TypeError):
            return None
        return found if now - datetime.fromtimestamp(found.began_at_s, UTC) < LASTS else None


def forget_attempt(response: Response, request: Request) -> None:
    """It is over, whatever came of it."""
    response.delete_cookie(_name(request), path="/", secure=not is_loopback(request), httponly=True, samesite="lax")


def _name(request: Request) -> str:
    return _NAME_LOOPBACK if is_loopback(request) else _NAME
