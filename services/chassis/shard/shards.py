"""All shards of one service, in one process."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Never

import structlog

from services.chassis.clock import Clock
from services.chassis.mqtt import MqttUrl
from services.chassis.postgres import Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.chassis.shard.gaps import Gaps
from services.chassis.shard.lease import QUERIES
from services.chassis.shard.runner import Lane, ShardRunner

_log = structlog.get_logger(__name__)

_RETRY_S = 0.5


class Shards:
    """A service's `tasks` take `run`, its `checks` take `check`.

    `lanes` says how shards of each lane are worked; `on_gap` is called for each time in which messages may have been lost.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        mqtt_url: MqttUrl,
        clock: Clock,
        instance: str,
        service: str,
        lanes: Mapping[str, Lane],
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._mqtt_url = mqtt_url
        self._clock = clock
        self._instance = instance
        self._service = service
        self._lanes = lanes
        self._on_gap = on_gap
        self._runners: Sequence[ShardRunner] = ()

    async def run(self) -> Never:
        """For ever. Cancelled, it lets go of every shard."""
        self._runners = await self._read()
        async with asyncio.TaskGroup() as group:
            for runner in self._runners:
                group.create_task(runner.run(), name=f"shard-{runner.name}")
        raise AssertionError("a shard's runner ended by itself")

    async def check(self) -> str | None:
        """Ready: every shard is worked, here or (this process standing by) elsewhere."""
        if not self._runners:
            return "The shards are not known yet: the database is away."
        return " ".join(runner.trouble for runner in self._runners if runner.trouble is not None) or None

    @property
    def blind(self) -> bool:
        """Whether there is a shard of which this process does not know that anybody works it."""
        return not self._runners or any(runner.trouble is not None for runner in self._runners)

    @property
    def working(self) -> frozenset[str]:
        """Names of the shards that this process works."""
        return frozenset(runner.name for runner in self._runners if runner.working)

    async def _read(self) -> Sequence[ShardRunner]:
        while True:
            try:
                async with borrow(self._pool) as connection:
                    rows = await connection.fetch(QUERIES["shards_of_service"], self._service)
            except Exception as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(_RETRY_S)
            else:
                return [self._runner(**row) for row in rows]

    def _runner(self, shard: str, lane: str, client_id: str) -> ShardRunner:
        return ShardRunner(
            pool=self._pool,
            mqtt_url=self._mqtt_url,
            name=shard,
            client_id=client_id,
            lane=self._lanes[lane],
            holder=self._instance,
            gaps=Gaps(self._pool, self._clock, shard, self._on_gap),
        )
