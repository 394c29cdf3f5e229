"""However an outage goes on: whoever is affected is of an open one, or has an alarm of his own; and a person is called for him."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.domain.outages.census import Attribute
from services.alerts.domain.outages.course import (
    CALLED_EVERY_MAX,
    PAGED_AGAIN_AFTER,
    SINGLES_MAX,
    Course,
    Waited,
    run,
)
from services.alerts.domain.outages.moves import explaining
from tests.support.model_fleet import NOON, Box, Fleet, has, scotland

STEP = timedelta(minutes=30)


class Told:
    """A fleet, what its outages came to, and for whom a person was called when. Once a step: as if nobody looked in between."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.courses: dict[UUID, Course] = {}
        self.singles: set[int] = set()  # by their place in the fleet
        self.called: dict[int, datetime] = {}

    def heal(self, boxes: list[Box]) -> None:
        self.fleet.heal(boxes)
        for place in self._places(boxes):
            self.singles.discard(place)
            self.called.pop(place, None)

    def look(self, now: datetime) -> None:
        self.fleet.settle(now)
        self.courses = {
            each: self.courses.get(each) or Course(trait=name, members_now=0, peak=0, opened_at=self.fleet.opened[each])
            for each, name in self.fleet.names.items()
        }
        explains = explaining(self.fleet.situation(), self.fleet.names.keys())
        for outage, course in list(self.courses.items()):
            self._run(outage, course, explains[outage], now)
        self.fleet.settle(now)
        for place in self._places(self.fleet.loose()):
            if place not in self.singles and self._may_call(place, now):
                self.singles.add(place)
                self.called[place] = now

    def _run(self, outage: UUID, course: Course, explains: bool, now: datetime) -> None:
        members = self.fleet.members(outage)
        stands, _ = run(
            replace(course, members_now=len(members), trait=self.fleet.names[outage]), now, waited=Waited(explains)
        )
        self.courses[outage] = stands
        if stands.called_at != course.called_at:
            for place in self._places(members):
                assert self._may_call(place, now)
                self.called[place] = now
        if stands.closed_at is None:
            return
        assert stands.left_behind == len(members) <= SINGLES_MAX
        for box in members:
            box.outage = None
        del self.fleet.names[outage], self.courses[outage]

    def _may_call(self, place: int, now: datetime) -> bool:
        return place not in self.called or now - self.called[place] >= PAGED_AGAIN_AFTER

    def _places(self, boxes: list[Box]) -> list[int]:
        these = {id(box) for box in boxes}
        return [place for place, box in enumerate(self.fleet.boxes) if id(box) in these]

    def is_whole(self, now: datetime) -> None:
        self.singles = {place for place in self.singles if self.fleet.boxes[place].outage is None}
        for place, box in enumerate(self.fleet.boxes):
            if not box.affected:
                assert box.outage is None
                assert place not in self.singles
            elif box.outage is None:
                # He left an outage just after people were called for all of it, and is told of once that hour is over.
                assert place in self.singles or not self._may_call(place, now)
            else:
                assert box.has(self.fleet.names[box.outage])
        for course in self.courses.values():
            assert now - (course.called_at or course.opened_at) < CALLED_EVERY_MAX + STEP


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 5),
    st.lists(
        st.tuples(
            st.sampled_from(["sim_operator", "council_id", "postcode_district", "model"]),
            st.integers(0, 10**6),
            st.sampled_from([0.0, 0.05, 0.5, 0.85, 0.97, 1.0]),
            st.integers(1, 60),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_everybody_is_back_or_of_an_open_outage_or_told_of_and_called_for_once_a_day_and_not_twice_an_hour(
    seed: int, story: list[tuple[Attribute, int, float, int]]
) -> None:
    """Each chapter: some return by chance, the devices of a trait fall silent, and hours pass."""
    told, now, rng = Told(scotland(seed, devices=250)), NOON, random.Random(seed)
    for attribute, which, back, steps in story:
        told.heal([box for box in told.fleet.boxes if box.affected and rng.random() < back])
        values = sorted({box.traits[attribute] for box in told.fleet.boxes if attribute in box.traits})
        told.fleet.affect(has(attribute, values[which % len(values)]))
        for _ in range(steps):
            told.look(now)
            told.is_whole(now)
            now += STEP
