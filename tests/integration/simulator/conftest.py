"""Fleets on a real broker, and a counterpart on paho that hands out the receipts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from services.simulator import line
from services.simulator.fleet import Fleet, FleetConfig
from services.simulator.population import Population
from services.simulator.timing import Timing
from tests.integration.simulator.counterpart import Counterpart
from tests.support.servers import Broker

QUICK = Timing(heartbeat_interval_s=0.2, repeat_first_s=0.2, repeat_max_s=0.4)

FleetMaker = Callable[..., Fleet]


@pytest.fixture(autouse=True)
def patient_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for five seconds is no broker that is gone: a box would connect anew, and say `online` again."""
    monkeypatch.setattr(line, "TIMEOUT_S", 60.0)


@pytest.fixture
def counterpart(broker: Broker) -> Iterator[Counterpart]:
    """Plays ingest and alerts: takes everything in, and by default answers every alarm with `stored`."""
    with Counterpart(broker.port) as counterpart:
        yield counterpart


@pytest.fixture
async def run_fleet(broker: Broker) -> AsyncIterator[FleetMaker]:
    """Makes a fleet of quick boxes and runs it until the test ends."""
    fleets: list[tuple[Fleet, asyncio.Task[None]]] = []

    def run(boxes: int = 1, **options: Any) -> Fleet:
        defaults: dict[str, Any] = {
            "timing": QUICK,
            "connect_over_s": 0.0,
            "reconnect_first_s": 0.05,
            "reconnect_max_s": 0.2,
        }
        config = FleetConfig(mqtt_url=broker.url, devices=Population(boxes), **(defaults | options))
        fleet = Fleet(config)
        fleets.append((fleet, asyncio.create_task(fleet.run())))
        return fleet

    yield run
    for fleet, task in fleets:
        fleet.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task
