"""`/api/v1/hubs/{hub_id}/broker-user` and `/api/v1/councils/{council_id}/enrolment`: who else may come to the broker."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import APIRouter

from contracts.fields import Slug
from services.chassis.clock import Clock
from services.chassis.http import Access, Problem
from services.registry.councils.found import found_council
from services.registry.identity.credentials import Credentials, ShownCredential
from services.registry.roles import Ops

_log = structlog.get_logger(__name__)


def routes(credentials: Credentials, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1", tags=["broker"])

    @router.post("/hubs/{hub_id}/broker-user", status_code=HTTPStatus.CREATED)
    async def create_hub_user(hub_id: Slug, who: Ops) -> ShownCredential:
        """Make a hub's own user of the broker; the password is shown this once. One before it is void, and its session ends."""
        made = await credentials.create_for_hub(hub_id, actor=who.name, now=clock.now())
        if made is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no hub {hub_id}.")
        _log.info("hub_broker_user_made", hub_id=hub_id, by=who.name)
        return made

    @router.delete("/hubs/{hub_id}/broker-user", status_code=HTTPStatus.NO_CONTENT)
    async def revoke_hub_user(hub_id: Slug, who: Ops) -> None:
        """Shut the hub's user of the broker out; its session ends. Its channels stay as they are."""
        if not await credentials.revoke_hub(hub_id, clock.now()):
            raise Problem(HTTPStatus.NOT_FOUND, f"{hub_id} has no user of the broker.")
        _log.info("hub_broker_user_revoked", hub_id=hub_id, by=who.name)

    @router.post("/councils/{council_id}/enrolment", status_code=HTTPStatus.CREATED)
    async def create_enrolment(council_id: Slug, who: Ops) -> ShownCredential:
        """Make a council's credential for units nobody registered: they come by the gate; shown once. The one before is void."""
        made = await credentials.create_for_council(council_id, actor=who.name, now=clock.now())
        shown = found_council(made, council_id)
        _log.info("enrolment_made", council_id=council_id, by=who.name)
        return shown

    @router.delete("/councils/{council_id}/enrolment", status_code=HTTPStatus.NO_CONTENT)
    async def revoke_enrolment(council_id: Slug, who: Ops) -> None:
        """Shut it out; whoever came by it is cut off."""
        if not await credentials.revoke_council(council_id, clock.now()):
            raise Problem(HTTPStatus.NOT_FOUND, f"{council_id} has no enrolment credential.")
        _log.info("enrolment_revoked", council_id=council_id, by=who.name)

    return router
