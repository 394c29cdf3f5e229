"""Models that report seldom: what dies at one instant is missed one by one, over as long as they take to report (record 19).

What is promised of them, and what is not: nobody waits longer for it, and nobody is lost between two; but only up to each quarter
of an hour it is one outage, and not its homes one by one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.find import WINDOW
from services.alerts.domain.outages.moves import SETTLING, SUSPECTED_FOR, suspects
from tests.support.model_fleet import NOON, Box, Fleet, scotland

LOOK_EVERY = timedelta(seconds=30)
PROMISED = timedelta(minutes=6)
OPERATOR = Trait("sim_operator", "23410")


@dataclass(slots=True)
class Missed(Fleet):
    """`loose_since`: of those that no outage explains, since when; by place. Only who is so within the window is looked at."""

    now: datetime = NOON
    loose_since: dict[int, datetime] = field(default_factory=dict)
    told: dict[int, datetime] = field(default_factory=dict)

    def loose(self) -> list[Box]:
        return [box for box in self._loose() if self.now - self.loose_since[id(box)] < WINDOW]

    def _loose(self) -> list[Box]:
        found = [box for box in self.boxes if box.affected and box.outage is None]
        for box in found:
            self.loose_since.setdefault(id(box), self.now)
        return found

    def look(self, now: datetime) -> None:
        """As the detector does; and whoever has waited long enough is told of."""
        self.now = now
        self.settle(now)
        for box in self.boxes:
            if box.outage is not None:
                self.loose_since.pop(id(box), None)
        beginning = suspects(self.situation())
        for box in self._loose():
            waits_for = SUSPECTED_FOR if any(box.has(trait) for trait in beginning) else SETTLING
            if now - self.loose_since[id(box)] >= waits_for:
                self.told.setdefault(id(box), now)


def missed_over(interval: timedelta) -> tuple[Missed, list[Box], timedelta]:
    """All of an operator's die at one instant. The fleet, those, and the longest that one was neither told of nor a member."""
    paper = scotland(3, devices=600)
    fleet, rng = Missed(paper.boxes, usual=paper.usual), random.Random(7)
    hit = [box for box in fleet.boxes if box.has(OPERATOR)]
    missed_at = {id(box): NOON + rng.random() * interval for box in hit}
    waited, now = timedelta(), NOON
    while now < NOON + interval + 2 * SUSPECTED_FOR:
        now += LOOK_EVERY
        for box in hit:
            box.affected = box.affected or missed_at[id(box)] <= now
        fleet.look(now)
        open_ones = [box for box in hit if box.affected and box.outage is None and id(box) not in fleet.told]
        waited = max([waited, *(now - missed_at[id(box)] for box in open_ones)])
    return fleet, hit, waited


def test_what_reports_each_quarter_of_an_hour_is_one_outage_with_the_right_name_and_hardly_a_home_by_itself() -> None:
    fleet, hit, waited = missed_over(timedelta(minutes=15))
    assert list(fleet.names.values()) == [OPERATOR]
    assert all(box.outage is not None for box in hit)
    assert len(fleet.told) <= 2
    assert waited < PROMISED + LOOK_EVERY


@pytest.mark.parametrize("hours", [0.5, 1, 4])
def test_of_what_reports_more_seldom_nobody_waits_longer_and_nobody_is_lost(hours: float) -> None:
    fleet, hit, waited = missed_over(timedelta(hours=hours))
    assert waited < PROMISED + LOOK_EVERY
    assert all(box.outage in fleet.names or id(box) in fleet.told for box in hit)
    assert not any(id(box) in fleet.told for box in fleet.boxes if not box.affected)
