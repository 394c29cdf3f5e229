"""`/api/v1/hubs`. What a channel is signed with goes in and never comes out."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr

from contracts.access import Principal
from contracts.fields import STORABLE_PATTERN, Slug
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page, Problem, invalid
from services.registry.domain.webhook import Network, secret_fault, url_fault
from services.registry.hubs.store import ChannelKind, Hub, HubStore, SecretsMissing, WantedChannel
from services.registry.roles import HubReader, Ops

_log = structlog.get_logger(__name__)


class ChannelBody(BaseModel):
    """A way to the hub. Other fields are ignored, so that an answer can be sent back changed."""

    kind: ChannelKind
    url: Annotated[str | None, Field(pattern=STORABLE_PATTERN, description="Of a webhook: https://…")] = None
    secret: Annotated[
        SecretStr | None,
        Field(
            description="Of a webhook: whsec_… (Standard Webhooks). Left out, a webhook of the same URL keeps its own."
        ),
    ] = None
    verified: Annotated[
        bool | None, Field(description="A channel counts once verified. Left out, it stays as it is; a new one is not.")
    ] = None


class HubBody(BaseModel):
    """A hub, with all its channels."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=STORABLE_PATTERN)]
    channels: Annotated[list[ChannelBody], Field(max_length=20)] = []


def routes(hubs: HubStore, access: Access, clock: Clock, webhook_networks: Sequence[Network]) -> APIRouter:
    router = access.router(prefix="/api/v1/hubs", tags=["hubs"])

    @router.get("")
    async def list_hubs(who: HubReader, paging: NewestFirst) -> Page[Hub]:
        """All hubs, newest first; to a hub, itself."""
        rows = await hubs.page(paging.after_at, paging.after_id, paging.fetch, only=who.hub_id)
        return paging.page(rows, key=lambda hub: (hub.created_at, hub.hub_id))

    @router.get("/{hub_id}")
    async def get_hub(hub_id: Slug, who: HubReader) -> Hub:
        """A hub and its channels."""
        _refuse_stranger(who, hub_id)
        hub = await hubs.get(hub_id)
        if hub is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no hub {hub_id}.")
        return hub

    @router.put("/{hub_id}", responses={201: {"model": Hub}})
    async def put_hub(hub_id: Slug, body: HubBody, who: Ops, response: Response) -> Hub:
        """Make a hub, or make it exactly as told: a channel left out is removed."""
        faults = _faults(body.channels, webhook_networks)
        if faults:
            raise invalid(*faults)
        put = await hubs.put(hub_id, body.name, [_wanted(each) for each in body.channels], clock.now())
        if isinstance(put, SecretsMissing):
            raise invalid(*((f"channels.{at}.secret", "a new webhook needs a secret") for at in put.positions))
        if put.created:
            response.status_code = HTTPStatus.CREATED
        _log.info("hub_changed", hub_id=hub_id, channels=len(put.hub.channels), created=put.created, by=who.name)
        return put.hub

    return router


def _refuse_stranger(who: Principal, hub_id: str) -> None:
    if who.role == "hub" and who.hub_id != hub_id:
        raise Problem(HTTPStatus.FORBIDDEN, "A hub may read itself only.")


def _wanted(body: ChannelBody) -> WantedChannel:
    secret = None if body.secret is None else body.secret.get_secret_value()
    return WantedChannel(body.kind, body.url, secret, body.verified)


def _faults(channels: Sequence[ChannelBody], networks: Sequence[Network]) -> list[tuple[str, str]]:
    faults = [fault for at, each in enumerate(channels) for fault in _channel_faults(f"channels.{at}", each, networks)]
    seen: set[tuple[str, str | None]] = set()
    for at, each in enumerate(channels):
        if (each.kind, each.url) in seen:
            faults.append((f"channels.{at}", "the same channel twice: every alarm would come twice"))
        seen.add((each.kind, each.url))
    return faults


def _channel_faults(field: str, channel: ChannelBody, networks: Sequence[Network]) -> list[tuple[str, str]]:
    if channel.kind == "mqtt":
        given = [name for name in ("url", "secret") if getattr(channel, name) is not None]
        return [(f"{field}.{name}", "an mqtt channel has none: its topic follows from the hub") for name in given]
    faults = {
        "url": "a webhook needs a URL" if channel.url is None else url_fault(channel.url, networks),
        "secret": None if channel.secret is None else secret_fault(channel.secret.get_secret_value()),
    }
    return [(f"{field}.{name}", fault) for name, fault in faults.items() if fault is not None]
