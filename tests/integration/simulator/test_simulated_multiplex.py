import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from services.chassis.mqtt import MqttUrl
from services.simulator.multiplex import Multiplex
from services.simulator.population import Population
from tests.integration.simulator.counterpart import Counterpart
from tests.support.servers import Broker, until


@contextlib.asynccontextmanager
async def running(multiplex: Multiplex) -> AsyncIterator[None]:
    task = asyncio.create_task(multiplex.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_each_box_is_heard_once_an_interval_with_rising_numbers(broker: Broker, counterpart: Counterpart) -> None:
    multiplex = Multiplex(MqttUrl.parse(broker.url), Population(100), connections=2, interval_s=0.5)
    async with running(multiplex):
        await until(lambda: heard_of(counterpart) == 100 and len(counterpart.heard("heartbeat")) >= 300)
    seqs, boots = defaultdict(list), set()
    for heard in counterpart.heard("heartbeat"):
        seqs[heard.device].append(heard.body["seq"])
        boots.add(heard.body["boot_id"])
    assert len(seqs) == len(boots) == 100
    # The two connections began at different moments; within one, no box is ahead of another by more than one.
    for number in range(2):
        heard_from = [len(seqs[device.device_id]) for device in list(Population(100))[number::2]]
        assert max(heard_from) - min(heard_from) <= 1
    for of_one in seqs.values():
        assert of_one[0] == 0
        assert all(later == earlier + 1 for earlier, later in pairwise(of_one))


def heard_of(counterpart: Counterpart) -> int:
    return len({heard.device for heard in counterpart.heard("heartbeat")})


async def test_it_keeps_its_pace(broker: Broker) -> None:
    """It is never ahead of it; and behind it for as long as the machine stood still, and then no longer."""
    multiplex = Multiplex(MqttUrl.parse(broker.url), Population(1000), connections=2, interval_s=1.0)
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    async with running(multiplex):
        await until(lambda: multiplex.online == 1000)
        online_at = loop.time()
        await until(lambda: multiplex.totals.heartbeats >= 2500)
        assert loop.time() - began_at >= 2.5

        def in_time() -> bool:
            owed = 1000 * (loop.time() - online_at)
            return multiplex.totals.heartbeats > owed - 1000 and multiplex.totals.late_s < 1.0

        await until(in_time, what="a thousand a second")


async def test_it_counts_what_the_broker_has_taken_and_carries_on_after_a_restart(broker: Broker) -> None:
    multiplex = Multiplex(MqttUrl.parse(broker.url), Population(50), connections=1, interval_s=0.2)
    async with running(multiplex):
        await until(lambda: multiplex.totals.heartbeats > 50)
        broker.kill()
        await until(lambda: multiplex.online == 0)
        assert multiplex.trouble
        counted = multiplex.totals.heartbeats
        broker.start()
        await until(lambda: multiplex.totals.heartbeats > counted + 50)
        assert multiplex.trouble is None


async def test_flat_out_no_more_are_in_flight_than_allowed(broker: Broker, counterpart: Counterpart) -> None:
    multiplex = Multiplex(MqttUrl.parse(broker.url), Population(50), connections=1, interval_s=None, in_flight_max=10)
    async with running(multiplex):
        await until(lambda: multiplex.totals.heartbeats >= 2000)
        await until(lambda: counterpart.heard("heartbeat"))
    assert counterpart.heard("heartbeat")[0].expiry_s is None


def test_more_connections_than_boxes_make_no_sense() -> None:
    with pytest.raises(ValueError, match="connections"):
        Multiplex(MqttUrl("127.0.0.1", 1), Population(1), connections=2, interval_s=1.0)
