"""As many heartbeats as it can bear: the reference, then the service, in the same minute; and that again."""

import asyncio
import secrets
from dataclasses import dataclass

from tests.bench import reference
from tests.bench.house import House
from tests.bench.meter import Cost, Meter, used

_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Rate:
    """From the first heartbeat sent to the last one committed."""

    per_s: float
    costs: dict[str, Cost]


@dataclass(frozen=True)
class Round:
    """One after the other, on the same servers."""

    reference: Rate
    service: Rate
    lost: int

    @property
    def ratio(self) -> float:
        return self.service.per_s / self.reference.per_s


async def flat_out(house: House) -> Round:
    """One round."""
    total = house.plan.flat_out_heartbeats
    bare = await _reference(house, total)
    async with house.serving():
        ours, lost = await _service(house, total)
    return Round(bare, ours, lost)


async def _reference(house: House, total: int) -> Rate:
    async with house.reference(total) as bare:
        subscribed = await bare.says()
        async with house.publisher(secrets.token_hex(6), total, 0, reference.ROOT) as publisher:
            meter = Meter(house.parts())
            telling = asyncio.create_task(publisher.all_it_says())
            done = await bare.says()
            costs = meter.costs(total)
            told = await telling
    assert subscribed is not None
    assert done is not None
    costs = {"reference": used(subscribed, done, total), **costs, "publisher": used(told[0], told[-1], total)}
    return Rate(total / (done["at"] - told[-1]["first_at"]), costs)


async def _service(house: House, total: int) -> tuple[Rate, int]:
    boot = secrets.token_hex(6)
    settled_before = await house.settled()
    async with house.publisher(boot, total, 0) as publisher:
        meter = Meter(house.parts())
        telling = asyncio.create_task(publisher.all_it_says())
        done_at = await house.until_settled(settled_before + total, _PATIENCE_S)
        costs = meter.costs(total)
        told = await telling
    costs = {**costs, "publisher": used(told[0], told[-1], total)}
    return Rate(total / (done_at - told[-1]["first_at"]), costs), total - await house.stored(boot)
