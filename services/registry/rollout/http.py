"""`/api/v1/rollout`."""

from __future__ import annotations

from fastapi import APIRouter

from services.chassis.http import Access
from services.registry.domain.rollout import Rollout
from services.registry.roles import Anyone
from services.registry.rollout.store import RolloutStore


def routes(rollout: RolloutStore, access: Access) -> APIRouter:
    router = access.router(prefix="/api/v1/rollout", tags=["rollout"])

    @router.get("")
    async def get_rollout(_who: Anyone) -> Rollout:
        """Live devices of the programme's target, and every council's devices by stage. Figures only, so for every role."""
        return await rollout.read()

    return router
