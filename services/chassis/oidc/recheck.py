"""Whoever is signed in through a provider is asked about every ten minutes: a role that was taken away is gone by then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from services.chassis.clock import Clock
from services.chassis.oidc.config import ACCOUNT_CLAIMS, OidcConfig
from services.chassis.oidc.errors import ProviderAway, ProviderRefuses
from services.chassis.oidc.grants import NotAdmitted, person_of
from services.chassis.oidc.provider import Provider
from services.chassis.oidc.store import Due, PersonSessions

_log = structlog.get_logger(__name__)

EVERY_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Recheck:
    """While the provider is away nobody is signed out for it: a shift that sees alarms outranks a role that may have changed."""

    provider: Provider
    sessions: PersonSessions
    config: OidcConfig
    clock: Clock

    async def run_once(self) -> int:
        """How many sessions were asked about."""
        due = await self.sessions.due(self.clock.now())
        await asyncio.gather(*(self._check(each) for each in due))
        return len(due)

    async def _check(self, due: Due) -> None:
        if due.refresh_token is None:
            await self._end(due, "the refresh token was encrypted under another key")
            return
        try:
            renewal = await self.provider.refresh(due.refresh_token)
            if renewal.refresh_token != due.refresh_token:
                await self.sessions.keep(due, renewal.refresh_token)
            claims = await self.provider.claims_of(renewal, due.subject)
        except ProviderRefuses as refusal:
            await self._end(due, str(refusal))
            return
        except ProviderAway as away:
            _log.warning("identity_provider_away", reason=str(away), hint="sessions go on; asked again in a minute")
            return
        person = person_of(claims, self.config.role_map, self.config.client.role_claims, ACCOUNT_CLAIMS)
        if isinstance(person, NotAdmitted):
            await self._end(due, "no role is mapped to this person any more")
            return
        await self.sessions.confirm(due, person, self.clock.now())

    async def _end(self, due: Due, reason: str) -> None:
        await self.sessions.end(due, self.clock.now())
        _log.info("session_ended", account=due.account, reason=reason)
