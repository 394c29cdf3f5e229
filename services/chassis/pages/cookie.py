"""The cookie of a session: out of reach of scripts and of other sites."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import Request
from fastapi.responses import Response

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_NAME: Final = "__Host-telecare-session"
_NAME_LOOPBACK: Final = "telecare-session"  # without https there is no `__Host-`


def is_loopback(request: Request) -> bool:
    """Whether it is this machine itself that asks, by its own name."""
    return request.url.scheme == "http" and request.url.hostname in _LOOPBACK


def secret_of(request: Request) -> str | None:
    """What the cookie holds."""
    return request.cookies.get(_name(request))


def keep(response: Response, request: Request, secret: str, lasts: timedelta) -> None:
    """Set the cookie. Secure, except on this machine itself over plain http."""
    response.set_cookie(
        _name(request),
        secret,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=not is_loopback(request),
        httponly=True,
        samesite="strict",
    )


def forget(response: Response, request: Request) -> None:
    """Take the cookie back."""
    response.delete_cookie(_name(request), path="/", secure=not is_loopback(request), httponly=True, samesite="strict")


def _name(request: Request) -> str:
    return _NAME_LOOPBACK if is_loopback(request) else _NAME
