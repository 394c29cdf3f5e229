"""`/api/v1/councils`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias

import structlog
from fastapi import APIRouter
from pydantic import Field

from contracts.fields import STORABLE_PATTERN, Slug
from services.chassis.http import Access, Body, ById, Page
from services.registry.councils.found import found_council
from services.registry.councils.store import Council, CouncilStore, Facts
from services.registry.roles import Anyone, Ops

_log = structlog.get_logger(__name__)

# PostgreSQL's integer; no council has more users than that.
Count: TypeAlias = Annotated[int, Field(ge=0, le=2**31 - 1)]
Day: TypeAlias = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]
Source: TypeAlias = Annotated[str, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN)]


class SourceBody(Body):
    """Where one figure comes from, and of which day it is."""

    source: Source | None = None
    as_of: Day | None = None


class SourcesBody(Body):
    """Of figures that come from elsewhere, or are of another day, than `source` and `as_of` say of all."""

    telecare_users: SourceBody | None = None
    analogue_units: SourceBody | None = None
    target: Annotated[SourceBody | None, Field(description="Of `target` and `target_date`.")] = None


class CouncilBody(Body):
    """What a council tells. An unknown field is refused; an answer may be sent back changed."""

    only_told = frozenset({"council_id", "name", "hubs"})

    telecare_users: Count | None = None
    analogue_units: Count | None = None
    target: Annotated[Count | None, Field(description="Live devices by `target_date`.")] = None
    target_date: Day | None = None
    source: Annotated[str, Field(max_length=500, pattern=STORABLE_PATTERN)] | None = None
    as_of: Day | None = None
    sources: SourcesBody = SourcesBody()

    def facts(self) -> Facts:
        """As they are kept."""
        sources = self.sources.model_dump(mode="json", exclude_none=True)
        return Facts(**self.model_dump(exclude={"sources"}), sources=sources)


def routes(councils: CouncilStore, access: Access) -> APIRouter:
    router = access.router(prefix="/api/v1/councils", tags=["councils"])

    @router.get("")
    async def list_councils(_who: Anyone, paging: ById) -> Page[Council]:
        """All councils, in order of their ids: they have no age."""
        rows = await councils.page(paging.after_id, paging.fetch)
        return paging.page(rows, key=lambda council: (None, council.council_id))

    @router.get("/{council_id}")
    async def get_council(council_id: Slug, _who: Anyone) -> Council:
        """A council and the hubs that take its alarms."""
        return found_council(await councils.get(council_id), council_id)

    @router.put("/{council_id}")
    async def put_council(council_id: Slug, body: CouncilBody, who: Ops) -> Council:
        """Replace what a council tells of itself: a field left out is unknown again."""
        council = found_council(await councils.put(council_id, body.facts()), council_id)
        _log.info("council_changed", council_id=council_id, by=who.name)
        return council

    return router
