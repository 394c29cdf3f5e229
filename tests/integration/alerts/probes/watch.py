"""A world whose channels are probed."""

from typing import Any

from tests.integration.alerts.world import World

PERIOD_S = 300


async def pass_time(world: World, seconds: float, step_s: float = 10) -> None:
    """Time moves on in steps as small as those in which probes are looked at, and what is due at each is done."""
    passed = 0.0
    while passed < seconds:
        world.clock.move(step_s)
        passed += step_s
        await look(world)


async def look(world: World) -> None:
    """Every channel that is due is looked at, and all that follows from that is done."""
    while await world.parts.prober.run_once():
        pass
    await world.parts.transports.run_once()
    await world.settle()


async def health(world: World) -> dict[str, dict[str, Any]]:
    """By hub; each has one channel here."""
    rows = await world.database.fetch("select * from alerts.channel_health")
    return {row["hub_id"]: dict(row) for row in rows}
