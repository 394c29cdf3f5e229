"""A fleet of three hundred homes in two councils of two operators, and the hubs that serve them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.blackbox.hub import Receiver
from tests.integration.alerts.outages.fleet import Homes
from tests.integration.alerts.world import World
from tests.support.servers import until


@dataclass(frozen=True, slots=True)
class Scotland:
    homes: Homes
    inverness: list[str]  # Highland, IV1, of operator 23410
    skye: list[str]  # Highland, IV51, of operator 23415
    glasgow: list[str]  # G12, of operator 23410

    @property
    def world(self) -> World:
        return self.homes.world


@pytest.fixture
async def scotland(world: World, receiver: Receiver) -> Scotland:
    receiver.clock = world.clock.now
    for hub in ("highland-arc", "clyde-arc", "forth-arc"):
        channel = receiver.channel(hub)
        await world.hub(hub, channel["url"], secret=channel["secret"])
    await world.route("highland", "highland-arc")
    await world.route("glasgow-city", "clyde-arc", "forth-arc")
    homes = Homes(world)
    return Scotland(
        homes,
        list(await homes.register(40)),
        list(await homes.register(20, sim_operator="23415", postcode_district="IV51", model="Hub B")),
        list(await homes.register(240, council_id="glasgow-city", postcode_district="G12", model="Hub B")),
    )


async def until_one_waits(scotland: Scotland) -> None:
    """For a lock that another transaction has."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

    async def one() -> bool:
        return bool(await scotland.world.database.fetchval(waiting))

    await until(one, what="one to wait for the other")
