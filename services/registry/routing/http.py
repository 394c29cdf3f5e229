"""`/api/v1/councils/{council_id}/routing` and `…/policies`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Self

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, Field, field_validator

from contracts.fields import Slug
from contracts.ids import CANARY
from contracts.policy import DEFAULT_POLICY, HUBS_MAX, Policy
from services.chassis.clock import Clock
from services.chassis.http import Access, Body, ById, Page, invalid
from services.registry.councils.found import found_council
from services.registry.roles import Anyone, Ops
from services.registry.routing.store import AS_IT_IS, Change, PolicyVersion, Routing, RoutingStore, UnknownHubs

_log = structlog.get_logger(__name__)

_CHANGEABLE: Final = ("hubs", "technical_hub", "policy")


class PolicyStamp(BaseModel):
    """Which version is in force, who laid it down, and when. `default`: the council has none of its own."""

    policy_id: int
    version: int
    default: bool
    created_at: datetime
    created_by: str


class RoutingAnswer(BaseModel):
    """Who takes a council's alarms, and by which policy."""

    council_id: str
    hubs: list[str]
    technical_hub: str | None
    policy: Policy
    policy_version: PolicyStamp

    @classmethod
    def of(cls, routing: Routing) -> Self:
        stamp = PolicyStamp.model_validate(routing.policy, from_attributes=True)
        return cls(
            council_id=routing.council_id,
            hubs=routing.hubs,
            technical_hub=routing.technical_hub,
            policy=routing.policy.policy,
            policy_version=stamp,
        )


class RoutingBody(Body):
    """What shall change: a field left out stays as it is. An unknown one is refused; an answer may be sent back changed."""

    only_told = frozenset({"council_id", "policy_version"})

    hubs: Annotated[
        list[Slug],
        Field(
            min_length=1, max_length=HUBS_MAX, description="Who takes the alarms, in the order in which they are told."
        ),
    ] = Field(default_factory=list)
    technical_hub: Annotated[
        Slug | None, Field(description="Who takes degraded alarms (priority 4); null: the first hub does.")
    ] = None
    policy: Annotated[
        Policy | None,
        Field(description="The escalation policy, whole, as a new version; null: the default's ladders again."),
    ] = None

    @field_validator("hubs")
    @classmethod
    def _each_once(cls, hubs: list[str]) -> list[str]:
        twice = sorted({hub for hub in hubs if hubs.count(hub) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return hubs

    def change(self) -> Change:
        """What was given."""
        given = self.model_fields_set
        return Change(
            hubs=self.hubs if "hubs" in given else AS_IT_IS,
            technical_hub=self.technical_hub if "technical_hub" in given else AS_IT_IS,
            policy=(self.policy or DEFAULT_POLICY) if "policy" in given else AS_IT_IS,
        )


def routes(routings: RoutingStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/councils/{council_id}", tags=["councils"])

    @router.get("/routing")
    async def get_routing(council_id: Slug, _who: Anyone) -> RoutingAnswer:
        """Who takes a council's alarms, and by which policy."""
        return RoutingAnswer.of(found_council(await routings.get(council_id), council_id))

    @router.put("/routing")
    async def put_routing(council_id: Slug, body: RoutingBody, who: Ops) -> RoutingAnswer:
        """Send a council's alarms to these hubs, by this policy. At least one hub: alarms must go somewhere."""
        if not body.model_fields_set:
            raise invalid(("hubs", f"nothing to change: give {', '.join(_CHANGEABLE)}, or some of them"))
        if wrong := _of_canary(council_id, body):
            raise invalid(*wrong)
        put = await routings.put(council_id, body.change(), actor=who.name, now=clock.now())
        if isinstance(put, UnknownHubs):
            raise invalid(*_unknown(body, put.hub_ids))
        routing = found_council(put, council_id)
        policy = routing.policy.policy_id
        _log.info("routing_changed", council_id=council_id, hubs=routing.hubs, policy_id=policy, by=who.name)
        return RoutingAnswer.of(routing)

    @router.get("/policies")
    async def list_policies(council_id: Slug, _who: Anyone, paging: ById) -> Page[PolicyVersion]:
        """The council's own policies, latest first: the first is in force, and without one the default is."""
        rows = found_council(await routings.policies(council_id, paging.after_id, paging.fetch), council_id)
        return paging.page(rows, key=lambda each: (None, f"{each.version:010}"))

    return router


def _of_canary(council_id: str, body: RoutingBody) -> list[tuple[str, str]]:
    """A home's alarm must never be done with by reaching the canary, nor its tests reach a hub. (The database holds it, too.)"""
    strange = [hub for hub in body.hubs if (hub == CANARY) is not (council_id == CANARY)]
    found = {"hubs": strange, "technical_hub": [CANARY] if body.technical_hub == CANARY else []}
    text = f"the hub and the council called {CANARY} are the canary's, and only each other's"
    return [(field, text) for field, hubs in found.items() if hubs]


def _unknown(body: RoutingBody, hub_ids: Sequence[str]) -> list[tuple[str, str]]:
    missing = {"hubs": [hub for hub in body.hubs if hub in hub_ids]}
    missing["technical_hub"] = [hub for hub in hub_ids if hub == body.technical_hub]
    return [(field, f"no such hub: {', '.join(hubs)}") for field, hubs in missing.items() if hubs]
