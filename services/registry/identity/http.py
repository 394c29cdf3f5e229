"""`POST /api/v1/devices/{device_id}/claim`: a new claim, shown this once. (The first one comes with the registration.)"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import Field

from contracts.fields import DeviceIdText
from services.chassis.clock import Clock
from services.chassis.http import Access
from services.registry.devices.bodies import MoveBody
from services.registry.devices.life import DeviceLife
from services.registry.devices.refusals import existing, refused, visible
from services.registry.devices.store import DeviceStore
from services.registry.domain import claims as domain
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import Refused
from services.registry.identity.claims import Claims, IssuedClaim, NotIssued
from services.registry.roles import Fitter

# From there on a device has been claimed; a new claim gives it a new credential, and its stage stays.
_CLAIMED_ALREADY = frozenset({"installed", "commissioning", "live", "suspended"})


class ClaimBody(MoveBody):
    """Why, for the history, and for how long it shall be good."""

    lives_s: Annotated[
        int,
        Field(
            ge=domain.LIVES_AT_LEAST.total_seconds(),
            le=domain.LIVES_AT_MOST.total_seconds(),
            description="Seconds: a minute to a week, an hour unless told otherwise.",
        ),
    ] = int(domain.LIVES.total_seconds())


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """The code, which is shown in this answer and never again; with it the unit connects as `username`."""

    code: str
    username: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedDevice(Device):
    """A device, and its claim; `claim_problem` says why it has none."""

    claim: ShownClaim | None
    claim_problem: str | None

    @classmethod
    def of(cls, device: Device, issued: IssuedClaim | NotIssued | None) -> Self:
        if isinstance(issued, IssuedClaim):
            shown = ShownClaim(issued.code, f"claim:{issued.serial}", issued.expires_at)
            return cls(**asdict(device), claim=shown, claim_problem=None)
        return cls(**asdict(device), claim=None, claim_problem=None if issued is None else issued.detail)


def routes(
    claims: Claims,
    devices: DeviceStore,
    life: DeviceLife,
    access: Access,
    clock: Clock,
    route_class: type[APIRoute] = APIRoute,
) -> APIRouter:
    router = access.router(prefix="/api/v1/devices", tags=["devices"], route_class=route_class)

    @router.post("/{device_id}/claim", name="claim a device")
    async def claim(device_id: DeviceIdText, who: Fitter, body: ClaimBody | None = None) -> ClaimedDevice:
        """Claim a device, or claim it again: the answer shows a new one-time code, and the one before is void.

        The credential that the device has stays good until it exchanges the new claim for another. Answers 409 with `legal_moves`
        for a device that is withdrawn.
        """
        device, said, now = await visible(devices, device_id, who), body or ClaimBody(), clock.now()
        if device.stage not in _CLAIMED_ALREADY:
            moved = await life.move(device_id, "claim", who, reason=said.reason, now=now)
            if isinstance(moved, Refused):
                raise refused(moved)
            device = existing(moved, device_id)
        lives = timedelta(seconds=said.lives_s)
        return ClaimedDevice.of(device, await claims.issue(device_id, actor=who.name, now=now, lives=lives))

    return router
