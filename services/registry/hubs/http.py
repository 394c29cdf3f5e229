"""`/api/v1/hubs`. What a channel is signed with goes in and never comes out; where it leads comes out as far as one may know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

import structlog
from fastapi import APIRouter, Response

from contracts.access import Principal
from contracts.fields import Slug
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page, Problem, invalid
from services.registry.domain.channels import Fault, Unfit
from services.registry.domain.webhook import Network, origin
from services.registry.hubs.bodies import HubBody
from services.registry.hubs.store import HubStore
from services.registry.hubs.values import Hub
from services.registry.roles import HubReader, Ops

_log = structlog.get_logger(__name__)


def routes(hubs: HubStore, access: Access, clock: Clock, webhook_networks: Sequence[Network]) -> APIRouter:
    router = access.router(prefix="/api/v1/hubs", tags=["hubs"])

    @router.get("")
    async def list_hubs(who: HubReader, paging: NewestFirst) -> Page[Hub]:
        """All hubs, newest first; to a hub, itself."""
        rows = await hubs.page(paging.after_at, paging.after_id, paging.fetch, only=who.hub_id, now=clock.now())
        shown = [_shown_to(who, hub) for hub in rows]
        return paging.page(shown, key=lambda hub: (hub.created_at, hub.hub_id))

    @router.get("/{hub_id}")
    async def get_hub(hub_id: Slug, who: HubReader) -> Hub:
        """A hub and its channels."""
        refuse_stranger(who, hub_id)
        hub = await hubs.get(hub_id, clock.now())
        if hub is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no hub {hub_id}.")
        return _shown_to(who, hub)

    @router.put("/{hub_id}", responses={201: {"model": Hub}})
    async def put_hub(hub_id: Slug, body: HubBody, who: Ops, response: Response) -> Hub:
        """Make a hub, or make it exactly as told: a channel left out is removed."""
        faults = body.faults(webhook_networks)
        if faults:
            raise invalid(*faults)
        wanted = [each.wanted() for each in body.channels]
        put = await hubs.put(hub_id, body.name, body.record_url_template, wanted, clock.now())
        if isinstance(put, Unfit):
            raise invalid(*(_named(fault) for fault in put.faults))
        if put.created:
            response.status_code = HTTPStatus.CREATED
        _log.info("hub_changed", hub_id=hub_id, channels=len(put.hub.channels), created=put.created, by=who.name)
        return put.hub

    return router


def refuse_stranger(who: Principal, hub_id: str) -> None:
    """403 to a hub that asks for another one."""
    if who.role == "hub" and who.hub_id != hub_id:
        raise Problem(HTTPStatus.FORBIDDEN, "A hub's token is for that hub only.")


def _shown_to(who: Principal, hub: Hub) -> Hub:
    """A webhook's path may hold a key: whoever only looks on sees no more than its origin."""
    if who.role in {"ops", "hub"}:
        return hub
    channels = [each if each.url is None else replace(each, url=origin(each.url)) for each in hub.channels]
    return replace(hub, channels=channels)


def _named(fault: Fault) -> tuple[str, str]:
    channel = f"channels.{fault.position}"
    return (channel if fault.field is None else f"{channel}.{fault.field}"), fault.message
