"""How large the fleet is, and how often its devices are affected by themselves: what the present is judged against."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from contracts.condition import Condition
from services.alerts.domain.outages.census import CONDITIONS, Census, Trait
from services.alerts.domain.outages.find import USUAL_OVER, Usual, usual
from services.alerts.domain.outages.naming import is_name
from services.alerts.outages.sql import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

if TYPE_CHECKING:
    from asyncpg import Record

EVERY_S: Final = 1.0
_COUNT_EVERY_S: Final = 60.0
_TIMES_ITS_WORK: Final = 50  # a count of two million takes seconds: no more than a fiftieth of the time goes into it


@dataclass(frozen=True, slots=True)
class Fleet:
    """As it was counted last."""

    population: Census = field(default_factory=Census)
    singles: Mapping[Condition, Census] = field(default_factory=dict)
    usual: Mapping[Condition, Usual] = field(default_factory=dict)

    def rates(self, condition: Condition) -> Usual:
        return self.usual.get(condition, Usual())


@dataclass(slots=True)
class FleetCount:
    """Counts it now and then. `latest` is what others use."""

    pool: Pool
    clock: Clock
    latest: Fleet = field(default_factory=Fleet, init=False)
    counted: bool = field(default=False, init=False)  # at all
    _again_at_s: float = field(default=0.0, init=False)  # monotonic

    async def run_once(self) -> int:
        """Count, if it is time to. Returns 0: there is never more to do at once."""
        if time.monotonic() < self._again_at_s:
            return 0
        began_s = time.monotonic()
        await self.count()
        took_s = time.monotonic() - began_s
        self._again_at_s = began_s + max(_COUNT_EVERY_S, _TIMES_ITS_WORK * took_s)
        return 0

    async def count(self) -> Fleet:
        """Count now."""
        since = self.clock.now() - USUAL_OVER
        async with borrow(self.pool) as connection:
            population = census_of(await connection.fetch(QUERIES["population"]))
            singles = {
                condition: census_of(await connection.fetch(QUERIES["singles"], condition, since))
                for condition in CONDITIONS
            }
        rates = {condition: usual(each, population, USUAL_OVER) for condition, each in singles.items()}
        self.latest, self.counted = Fleet(population, singles, rates), True
        return self.latest


async def tally(connection: Connection, query: str, *arguments: Any) -> Census:
    """The counts that one of the queries gives."""
    return census_of(await connection.fetch(QUERIES[query], *arguments))


def census_of(rows: Iterable[Record]) -> Census:
    """From rows of attribute, value and devices; those of no attribute are all. What is no name is counted nowhere."""
    devices, by_trait = 0, {}
    for row in rows:
        if not row["attribute"]:
            devices = row["devices"]
        elif is_name(trait := Trait(row["attribute"], row["value"])):
            by_trait[trait] = row["devices"]
    return Census(devices, by_trait)
