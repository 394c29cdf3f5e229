"""In through an identity provider: to it with a state, a nonce and a challenge, and back with a code for a session."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog
from fastapi import Request

from services.chassis.clock import Clock
from services.chassis.http import Problem
from services.chassis.oidc.attempt import Attempt
from services.chassis.oidc.config import ACCOUNT_CLAIMS, CALLBACK, OidcConfig
from services.chassis.oidc.errors import ProviderAway, ProviderRefuses
from services.chassis.oidc.grants import NotAdmitted, person_of
from services.chassis.oidc.provider import Provider, Tokens
from services.chassis.oidc.store import PersonSessions
from services.chassis.pages.cookie import is_loopback
from services.chassis.pages.sessions import Session

_log = structlog.get_logger(__name__)

_EXCHANGES_MAX: Final = 8
"""With the provider at a time: whoever makes up codes keeps nobody else from theirs for long, and costs no more than this."""
TURN_S: Final = 5.0


@dataclass(slots=True)
class Flow:
    """What begins and ends a sign-in. Raises Problem with a sentence for the person."""

    provider: Provider
    sessions: PersonSessions
    config: OidcConfig
    clock: Clock
    _exchanging: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_EXCHANGES_MAX), init=False)

    async def begin(self, request: Request, onward: str, before: str | None) -> tuple[str, Attempt]:
        """Where the browser goes, and what it keeps meanwhile."""
        attempt = Attempt.begin(
            redirect_uri=self._redirect_uri(request), onward=onward, before=before, now=self.clock.now()
        )
        try:
            url = await self.provider.authorization_url(
                redirect_uri=attempt.redirect_uri, state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier
            )
        except ProviderAway as away:
            raise self._away(away) from None
        return url, attempt

    async def finish(self, request: Request, attempt: Attempt | None) -> tuple[str, Session]:
        """The cookie's secret and the session."""
        answer = request.query_params
        if attempt is None or not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "This sign-in took too long, or another one was begun in this browser meanwhile. Begin again.",
            )
        if answer.get("iss", self.config.issuer) != self.config.issuer:  # RFC 9207
            raise Problem(HTTPStatus.FORBIDDEN, "This answer is of another identity provider than ours. Begin again.")
        code = answer.get("code")
        if not code:
            _log.info("sign_in_refused", reason=_word(answer.get("error")))
            raise Problem(HTTPStatus.FORBIDDEN, f"{self._named()} did not let you in, or you turned back.")
        return await self._open(attempt, await self._exchanged(attempt, code))

    async def _exchanged(self, attempt: Attempt, code: str) -> Tokens:
        try:
            async with self._turn():
                return await self.provider.exchange(
                    code, redirect_uri=attempt.redirect_uri, nonce=attempt.nonce, verifier=attempt.verifier
                )
        except ProviderAway as away:
            raise self._away(away) from None
        except ProviderRefuses as refusal:
            _log.warning("sign_in_refused", reason=str(refusal))
            raise Problem(
                HTTPStatus.FORBIDDEN, f"What {self._named()} answered could not be accepted. Begin again."
            ) from None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TURN_S):
                await self._exchanging.acquire()
        except TimeoutError:
            raise ProviderAway("too many wait for its answer") from None
        try:
            yield
        finally:
            self._exchanging.release()

    async def _open(self, attempt: Attempt, tokens: Tokens) -> tuple[str, Session]:
        person = person_of(tokens.claims, self.config.role_map, self.config.client.role_claims, ACCOUNT_CLAIMS)
        if isinstance(person, NotAdmitted):
            _log.info("sign_in_refused", reason="no role", subject=str(tokens.claims.get("sub")))
            raise Problem(HTTPStatus.FORBIDDEN, person.why)
        opened = await self.sessions.open(person, tokens.refresh_token, attempt.state, self.clock.now())
        if opened is None:
            raise Problem(HTTPStatus.FORBIDDEN, "This sign-in has been used already. Begin again.")
        who = person.who
        _log.info("signed_in", operator=person.name, account=who.name, role=who.role, hub_id=who.hub_id)
        return opened

    def _redirect_uri(self, request: Request) -> str:
        """By its own name on this machine; else the public one, and not what a request says of itself."""
        if is_loopback(request):
            return f"{request.url.scheme}://{request.url.netloc}{CALLBACK}"
        if self.config.public_url is None:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"Sign-in with {self.config.name} does not work here before TELECARE_PUBLIC_URL is set. "
                "A token lets you in all the same.",
            )
        parts = urlsplit(self.config.public_url)
        return f"{parts.scheme}://{parts.netloc}{CALLBACK}"

    def _away(self, away: ProviderAway) -> Problem:
        _log.warning("identity_provider_away", reason=str(away))
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{self._named()} does not answer as it should just now. Try again, or sign in with a token.",
        )

    def _named(self) -> str:
        return self.config.name[:1].upper() + self.config.name[1:]


def _word(error: str | None) -> str:
    """What the provider gives as its reason, if it is a word as it should be: it comes by way of the browser."""
    return error if error and error.isascii() and error.replace("_", "").isalnum() and len(error) <= 64 else "none"
