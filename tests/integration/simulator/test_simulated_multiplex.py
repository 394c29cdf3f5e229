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
        await until(lambda: len(counterpart.heard("heartbeat")) >= 300)
    seqs, boots = defaultdict(list), set()
    for heard in counterpart.heard("heartbeat"):
        seqs[heard.device].append(heard.body["seq"])
        boots.add(heard.body["boot_id"])
    assert len(seqs) == len(boots) == 100
    # The two connections began at different moments; within one, no box is ahead of another by more than one.
    assert max(map(len, seqs.values())) - min(map(len, seqs.values())) <= 2
    for of_one in seqs.values():
        assert of_one[0] == 0
        assert all(later == earlier + 1 for earlier, later in pairwise(of_one))


async def test_it_keeps_its_pace(broker: Broker) -> None:
    multiplex = Multiplex(MqttUrl.parse(broker.url), Population(1000), connections=2, interval_s=1.0)
    loop = asyncio.get_running_loop()
    async with running(multiplex):
        await until(lambda: multiplex.online == 1000)
        began_at = loop.time()
        before = multiplex.totals.heartbeats
        await until(lambda: multiplex.totals.heartbeats - before >= 1500)
        took_s = loop.time() - began_at
    assert 1.3 <= took_s <= 3.0
    assert multiplex.totals.late_s < 1.0


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
    assert counterpart.heard("heartbeat")[0].expiry_s is None


def test_more_connections_than_boxes_make_no_sense() -> None:
    with pytest.raises(ValueError, match="connections"):
        Multiplex(MqttUrl("127.0.0.1", 1), Population(1), connections=2, interval_s=1.0)
